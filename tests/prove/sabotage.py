"""Faults put into the function on purpose: a check that cannot fail proves nothing.

Deployed beside the function, which is changed before its handler is imported.
"""

from collections.abc import Callable, Generator
from typing import Any, Final

from function import policy, queue, reader, table, upsert
from function.outcome import Outcome, Result

WRITTEN: Final = Result(Outcome.WRITTEN)
Task = Generator[Any, Any, None]


def _acknowledge_before_write(write: Any) -> Any:
    def wrapped(self: Any, group: Any, results: Any) -> Task:
        results |= {event.arrival: WRITTEN for event in group}
        yield from write(self, group, type(results)())

    return wrapped


def _swallow_an_exception(meaning: Any) -> Any:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        meant = meaning(*arguments, **named)
        is_transient = meant.pause > 0
        return meant._replace(result=WRITTEN, pause=0) if is_transient else meant

    return wrapped


def _any_length(read_head: Any) -> Any:
    def wrapped(self: Any, start: int) -> bool:
        is_read: bool = read_head(self, start)
        self._end = len(self._received)
        return is_read

    return wrapped


def _drop_the_loser(write: Any) -> Any:
    def wrapped(self: Any, group: Any, results: Any) -> Task:
        first, *others = self._policy.order(group)
        yield from write(self, [first], results)
        results |= {event.arrival: Result(Outcome.COALESCED) for event in others}

    return wrapped


def _letter_before_it_is_confirmed(put_aside: Any) -> Any:
    def wrapped(self: Any, record: Any, rejection: Any, confirmed: Any) -> Task:
        confirmed[record["messageId"]] = ""
        yield from put_aside(self, record, rejection, {})

    return wrapped


# Where it is, its name, and what takes its place.
SABOTAGES: Final[dict[str, tuple[Any, str, Callable[[Any], Any]]]] = {
    "acknowledge-before-write": (table.Table, "write", _acknowledge_before_write),
    "swallow-an-exception": (table, "_meaning", _swallow_an_exception),
    "no-condition": (policy.Newest, "condition", lambda _: policy.Last.condition),
    "any-length": (reader.Reader, "_read_head", _any_length),
    "drop-the-loser": (table.Table, "write", _drop_the_loser),
    "answer-nothing": (upsert.Upsert, "__call__", lambda call: lambda *given: call(*given) and {}),
    "read-taken-for-a-write": (
        policy.Newest,
        "is_settled",
        lambda _: lambda self, event, stored: stored != {},
    ),
    "conflict-acknowledged": (policy.First, "conflict", lambda _: lambda self, event, standing: ""),
    "letter-before-it-is-confirmed": (queue.Queue, "put_aside", _letter_before_it_is_confirmed),
    "pause-of-twelve-hours": (queue, "_pause_seconds", lambda _: lambda record: 12 * 3600),
}


def sabotage(name: str) -> None:
    """Put the fault in."""
    owner, attribute, make = SABOTAGES[name]
    setattr(owner, attribute, make(getattr(owner, attribute)))
