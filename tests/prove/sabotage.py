"""Faults put into the function on purpose: a check that cannot fail proves nothing.

Deployed beside the function; each wraps one of its objects before the handler is imported.
"""

from collections.abc import Callable, Generator
from typing import Any, Final

from function import policy, queue, reader, table
from function.outcome import Outcome, Result

WRITTEN: Final = Result(Outcome.WRITTEN)


def _acknowledge_before_write() -> None:
    write = table.Table.write

    def wrapped(self: Any, group: Any, results: Any) -> Generator[Any, Any, None]:
        results |= {event.arrival: WRITTEN for event in group}
        yield from write(self, group, type(results)())

    table.Table.write = wrapped  # type: ignore[method-assign]


def _swallow_an_exception() -> None:
    meaning = table._meaning

    def wrapped(*arguments: Any, **named: Any) -> Any:
        meant = meaning(*arguments, **named)
        is_transient = meant.pause > 0
        return meant._replace(result=WRITTEN, pause=0) if is_transient else meant

    table._meaning = wrapped


def _no_condition() -> None:
    policy.Newest.condition = policy.Last.condition  # type: ignore[method-assign]


def _any_length() -> None:
    read_head = reader.Reader._read_head

    def wrapped(self: Any, start: int) -> bool:
        is_read = read_head(self, start)
        self._end = len(self._received)
        return is_read

    reader.Reader._read_head = wrapped  # type: ignore[method-assign]


def _drop_the_loser() -> None:
    write = table.Table.write

    def wrapped(self: Any, group: Any, results: Any) -> Generator[Any, Any, None]:
        first, *others = self._policy.order(group)
        yield from write(self, [first], results)
        results |= {event.arrival: Result(Outcome.COALESCED) for event in others}

    table.Table.write = wrapped  # type: ignore[method-assign]


def _answer_nothing() -> None:
    from function import handler  # it reads the environment of a function

    handle = handler.handler

    def wrapped(event: Any, context: Any) -> dict[str, Any]:
        handle(event, context)
        return {}

    handler.handler = wrapped


def _read_taken_for_a_write() -> None:
    policy.Newest.is_settled = lambda self, event, stored: stored != {}  # type: ignore[method-assign]


def _conflict_acknowledged() -> None:
    policy.First.conflict = lambda self, event, standing: ""  # type: ignore[method-assign]


def _letter_before_it_is_confirmed() -> None:
    put_aside = queue.Queue.put_aside

    def wrapped(
        self: Any, record: Any, rejection: Any, confirmed: Any
    ) -> Generator[Any, Any, None]:
        confirmed[record["messageId"]] = ""
        yield from put_aside(self, record, rejection, {})

    queue.Queue.put_aside = wrapped  # type: ignore[method-assign]


def _pause_of_twelve_hours() -> None:
    queue._pause_seconds = lambda record: 12 * 3600


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
