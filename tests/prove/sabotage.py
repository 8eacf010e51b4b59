"""Faults put into the function on purpose: a check that cannot fail proves nothing.

Deployed beside the function; each wraps one of its objects before the handler is imported.
"""

from collections.abc import Callable, Generator
from typing import Any, Final

from function import policy, queue, reader, table
from function.message import Outcome


def _acknowledge_before_write() -> None:
    write = table.Table.write

    def wrapped(self: Any, group: Any) -> Generator[Any, Any, None]:
        for message in group:
            message.settle(Outcome.WRITTEN)
        yield from write(self, group)

    table.Table.write = wrapped  # type: ignore[method-assign]


def _swallow_an_exception() -> None:
    meaning = table._meaning

    def wrapped(*arguments: Any, **named: Any) -> Any:
        meant = meaning(*arguments, **named)
        return meant._replace(outcome=Outcome.WRITTEN, pause=0) if meant.pause else meant

    table._meaning = wrapped


def _no_condition() -> None:
    policy._Newest.condition = policy.Policy.condition  # type: ignore[method-assign]


def _any_length() -> None:
    read_head = reader.Reader._read_head

    def wrapped(self: Any, start: int) -> bool:
        is_read = read_head(self, start)
        self._end = len(self._received)
        return is_read

    reader.Reader._read_head = wrapped  # type: ignore[method-assign]


def _drop_the_loser() -> None:
    write = table.Table.write

    def wrapped(self: Any, group: Any) -> Generator[Any, Any, None]:
        first, *others = self._policy.order(group)
        yield from write(self, [first])
        for message in others:
            message.settle(Outcome.COALESCED)

    table.Table.write = wrapped  # type: ignore[method-assign]


def _answer_nothing() -> None:
    from function import handler  # it reads the environment of a function

    handle = handler.handler

    def wrapped(event: Any, context: Any) -> dict[str, Any]:
        handle(event, context)
        return {}

    handler.handler = wrapped


def _read_taken_for_a_write() -> None:
    policy._Newest.is_settled = lambda self, message, stored: stored != {}  # type: ignore[method-assign]


def _conflict_acknowledged() -> None:
    policy._First.conflict = lambda self, message, standing: ""  # type: ignore[method-assign]


def _letter_before_it_is_confirmed() -> None:
    put_aside = queue.Queue.put_aside

    def wrapped(self: Any, message: Any, troubles: Any) -> Generator[Any, Any, None]:
        message.is_put_aside = True
        yield from put_aside(self, message, troubles)
        message.is_put_aside = True

    queue.Queue.put_aside = wrapped  # type: ignore[method-assign]


def _pause_of_twelve_hours() -> None:
    queue.pause_seconds = lambda message: 12 * 3600


SABOTAGES: Final[dict[str, Callable[[], None]]] = {
    "acknowledge-before-write": _acknowledge_before_write,
    "swallow-an-exception": _swallow_an_exception,
    "no-condition": _no_condition,
    "any-length": _any_length,
    "drop-the-loser": _drop_the_loser,
    "answer-nothing": _answer_nothing,
    "read-taken-for-a-write": _read_taken_for_a_write,
    "conflict-acknowledged": _conflict_acknowledged,
    "letter-before-it-is-confirmed": _letter_before_it_is_confirmed,
    "pause-of-twelve-hours": _pause_of_twelve_hours,
}
