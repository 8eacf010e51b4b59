"""One batch from end to end: parse, newest per id, write, answer."""

import contextlib
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from function import report
from function.event import Event, Item, parse
from function.guard import Guard
from function.newest import newest_first
from function.outcome import Outcome, Result
from function.workers import Workers


class Context(Protocol):
    """What is used of Lambda's context object."""

    function_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda stops the invocation."""
        ...


class Putter(Protocol):
    """Whatever stores events as function.store.Store does."""

    def put(self, item: Item, condition: Mapping[str, Any], stop_at: float) -> Result:
        """Store an item if the condition holds."""
        ...


class Upsert:
    """Writes the newest event of each id and reports every message that was not confirmed."""

    def __init__(self, store: Putter, workers: int, guard: Guard) -> None:
        """Keep what every batch needs. workers: how many writes may be under way at once."""
        self._store = store
        self._workers = Workers(workers)
        self._guard = guard

    def __call__(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Process a batch of SQS messages and return Lambda's partial batch response.

        Raises ValueError, before anything is written, if the event is no such batch or a record
        has no messageId: what an answer cannot name, SQS deletes, while raising returns the whole
        batch to the queue. After that nothing is raised.
        """
        started = time.monotonic()
        remaining = context.get_remaining_time_in_millis() / 1000
        # Kept for the writes under way (one half), and for logging and answering (the other).
        reserve = max(0.2, remaining / 10)

        records = _records(event)
        parsed = [parse(record, i, self._guard) for i, record in enumerate(records)]
        events = [one for one in parsed if isinstance(one, Event)]
        writes = _Writes(self._store, self._guard, stop_at=started + remaining - reserve)
        writes.run(events, self._workers, wait_until=started + remaining - reserve / 2)

        results = [
            writes.result(one) if isinstance(one, Event) else Result(Outcome.REJECTED, one.reason)
            for one in parsed
        ]
        failures: dict[str, None] = {}
        lines = []
        if writes.unusable in results:
            lines.append(report.unusable(writes.unusable.reason, results.count(writes.unusable)))
        for record, one, result in zip(records, parsed, results, strict=True):
            if result.outcome.acknowledges:
                continue
            failures[record["messageId"]] = None
            if result is not writes.unusable:
                lines.append(report.unacknowledged(record, one.event_id, result))
        now = int(time.time() * 1000)
        lines.append(report.counts((r.outcome for r in results), context.function_name, now))
        report.write(lines)
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failures]}


class _Writes:
    """The writes of one batch: several at once, none begun nor waited for when time is up.

    A write that ends too late finds its message answered as failed; SQS brings that again, and the
    guard keeps the order.
    """

    def __init__(self, store: Putter, guard: Guard, stop_at: float) -> None:
        """stop_at: when to begin no more writes, in seconds of time.monotonic."""
        self._store = store
        self._guard = guard
        self._stop_at = stop_at
        self._results: dict[int, Result] = {}
        self._unconfirmed = Result(Outcome.FAILED, "not confirmed before time ran out")
        self.unusable: Result | None = None
        """What every message without a result of its own got, if the table cannot be used."""

    def run(self, events: list[Event], workers: Workers, wait_until: float) -> None:
        """Write the newest of each id, several at once, until all are done or it is wait_until."""
        self._waiting = deque(newest_first(events, self._guard))
        workers.run(self._work, len(self._waiting), wait_until)

    def result(self, event: Event) -> Result:
        """Return what became of an event up to now: failed unless DynamoDB confirmed it."""
        return self._results.get(event.arrival, self.unusable or self._unconfirmed)

    def _work(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._write(self._waiting.popleft())

    def _write(self, group: list[Event]) -> None:
        """Write the first event of a group that can be stored; the rest shares its fate."""
        for place, event in enumerate(group):
            if self.unusable or time.monotonic() >= self._stop_at:
                return
            condition = self._guard.condition(event.version)
            result = self._store.put(event.item, condition, self._stop_at)
            if result.is_table_unusable:
                self.unusable = result
                return
            self._results[event.arrival] = result
            if result.outcome is Outcome.REJECTED:
                continue
            older = Result(Outcome.COALESCED) if result.outcome.acknowledges else result
            for other in group[place + 1 :]:
                self._results[other.arrival] = older
            return


def _records(event: object) -> list[dict[str, Any]]:
    """Return the records of a batch, each with a messageId."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise ValueError("the event is no batch of SQS messages: it has no Records")  # noqa: TRY004
    for record in records:
        message_id = record.get("messageId") if isinstance(record, dict) else None
        if not isinstance(message_id, str) or not message_id:
            raise ValueError("a record has no messageId: it could not be reported")
    return records
