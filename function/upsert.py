"""One batch from end to end: parse, one write per id, retries, answer."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from function.event import Event, Item, Rejection, parse
from function.outcome import Outcome, Result, Results
from function.policy import First, Last, Newest
from function.queue import Queue
from function.report import Report
from function.request import Task
from function.table import READ_KEYS, Table
from function.version import Timestamp

RETRY_SECONDS = 2.5
"""Kept back for the calls to SQS, where managed retries are on and the timeout is long enough."""
_DAY = 86_400


class Context(Protocol):
    """What is used of Lambda's context object."""

    function_name: str
    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda stops the invocation."""
        ...


class Runner(Protocol):
    """Whatever runs tasks as function.loop.Loop does."""

    def run(self, tasks: Iterable[Task], begin_until: float, wait_until: float) -> None:
        """Run the tasks."""
        ...


class Upsert:
    """Stores what a batch carries, and reports every message that was not confirmed."""

    def __init__(self, environment: Mapping[str, str], loop: Runner) -> None:
        """environment: the function's contract; see docs/reliability.md.

        Raises ValueError, naming the variable, for what breaks it.
        """
        table = environment.get("TABLE_NAME")
        if not table:
            raise ValueError("TABLE_NAME is not set; name the table of events")
        self._loop = loop
        self._key = environment.get("KEY_ATTRIBUTE") or "event_id"
        self._policy = _policy(environment, self._key)
        self._table = Table(table, self._key, self._policy)
        self._reads = environment.get("READ_BEFORE_WRITE") == "true"
        urls = [environment.get(name) for name in ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL")]
        self._queue = Queue(urls[0], urls[1]) if urls[0] and urls[1] else None

    def __call__(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Process a batch of SQS messages and return Lambda's partial batch response.

        Raises ValueError, before anything is written, if the event is no such batch or a record
        has no messageId: what an answer cannot name, SQS deletes, while raising returns the whole
        batch to the queue. After that nothing is raised.
        """
        remaining = context.get_remaining_time_in_millis() / 1000
        now = time.monotonic()
        end = now + remaining
        # Kept for what is under way (one half), and for logging and answering (the other).
        reserve = max(0.2, remaining / 10)
        retry = min(RETRY_SECONDS, remaining / 5) if self._queue else 0
        records = _records(event)
        report = Report(context.function_name, context.aws_request_id)
        batch = _Batch(records, self._key, self._policy, report)

        begin_until = end - reserve - retry
        wait_until = begin_until + reserve / 2
        if self._reads:  # it may fail, and must leave the writes their time
            read_until = now + (begin_until - now) / 3
            self._run(batch.reads(self._table), batch, read_until, read_until)
        self._run(batch.writes(self._table), batch, begin_until, wait_until)
        results = batch.results()
        if self._queue:
            calls = batch.retries(self._queue, results)
            self._run(calls, batch, wait_until + retry / 2, wait_until + retry)
        batch.log(results)
        report.write()
        return {
            "batchItemFailures": [{"itemIdentifier": each} for each in batch.unsettled(results)]
        }

    def _run(
        self, tasks: Iterable[Task], batch: "_Batch", begin_until: float, wait_until: float
    ) -> None:
        try:
            self._loop.run(map(batch.guarded, tasks), begin_until, wait_until)
        except Exception as error:  # whatever it is, nothing more was confirmed
            batch.note(error)


class _Batch:
    """The messages of one invocation, and what became of each."""

    def __init__(
        self, records: Sequence[dict[str, Any]], key: str, policy: Last, report: Report
    ) -> None:
        self._records = records
        self._parsed = [
            parse(record, arrival, key, policy.version) for arrival, record in enumerate(records)
        ]
        self._groups: dict[str, list[Event]] = {}
        for event in self._parsed:
            if isinstance(event, Event):
                self._groups.setdefault(event.event_id, []).append(event)
        self._policy = policy
        self._report = report
        self._stored: dict[str, Item] = {}
        self._results = Results()
        self._letters: dict[str, str] = {}  # why one is not confirmed, or "", by message id
        self._refused: set[str] = set()
        self._saved = 0
        self._unexpected: dict[str, str] = {}  # tracebacks by place

    def reads(self, table: Table) -> Iterator[Task]:
        """Return the tasks that read the versions which are stored."""
        newest = [self._policy.order(group)[0] for group in self._groups.values()]
        versioned = [event for event in newest if event.version is not None]
        for start in range(0, len(versioned), READ_KEYS):
            yield table.read(versioned[start : start + READ_KEYS], self._stored)

    def writes(self, table: Table) -> Iterator[Task]:
        """Return a task for each id, unless a read has settled it, or the table is unusable."""
        for event_id, group in self._groups.items():
            newest, *older = self._policy.order(group)
            if self._results.unusable:
                return
            if self._policy.is_settled(newest, self._stored.get(event_id, {})):
                self._saved += 1
                self._results[newest.arrival] = Result(Outcome.SUPERSEDED)
                self._results |= {event.arrival: Result(Outcome.COALESCED) for event in older}
            else:
                yield table.write(group, self._results)

    def results(self) -> Sequence[Result]:
        """Return what became of each message up to now: failed unless DynamoDB confirmed it."""
        reason = "; ".join(self._unexpected) or "not confirmed before time ran out"
        unknown = self._results.unusable or Result(Outcome.FAILED, reason)
        return [
            self._results.get(each.arrival, unknown)
            if isinstance(each, Event)
            else Result(Outcome.REJECTED, each.reason)
            for each in self._parsed
        ]

    def retries(self, queue: Queue, results: Sequence[Result]) -> Iterator[Task]:
        """Return the tasks that let what failed wait, and put aside what was rejected."""
        failed = []
        for record, each, result in zip(self._records, self._parsed, results, strict=True):
            if result.outcome is Outcome.FAILED:
                failed.append(record)
            elif result.outcome is Outcome.REJECTED:
                rejection = Rejection(each.arrival, each.event_id, result.reason)
                yield queue.put_aside(record, rejection, self._letters)
        yield from queue.pause(failed, self._refused)

    def unsettled(self, results: Sequence[Result]) -> Iterable[str]:
        """Return the ids of the messages that SQS has to keep, each once."""
        return dict.fromkeys(
            record["messageId"]
            for record, result in zip(self._records, results, strict=True)
            if not result.outcome.acknowledges and not self._is_put_aside(record, result)
        )

    def _is_put_aside(self, record: Mapping[str, Any], result: Result) -> bool:
        is_rejected = result.outcome is Outcome.REJECTED
        return is_rejected and self._letters.get(record["messageId"]) == ""

    def log(self, results: Sequence[Result]) -> None:
        """Report what was not acknowledged, once what all have in common, and the counts."""
        line = self._report.line
        for place, trace in self._unexpected.items():
            line("ERROR", place, traceback=trace)
        if unusable := [result for result in results if result.is_table_unusable]:
            line("ERROR", unusable[0].reason, outcome=Outcome.FAILED, messages=len(unusable))
        for record, each, result in zip(self._records, self._parsed, results, strict=True):
            if not result.outcome.acknowledges and not result.is_table_unusable:
                self._report.unacknowledged(record, each.event_id, result)
        if self._refused:
            codes = ", ".join(sorted(self._refused))
            line("WARN", f"failed messages keep the queue's visibility timeout: {codes}")
        if troubles := {trouble for trouble in self._letters.values() if trouble}:
            causes = ", ".join(sorted(troubles))
            line("WARN", f"rejected messages come again, SQS confirmed no dead letter: {causes}")
        self._report.counts(self._counts(results))

    def _counts(self, results: Sequence[Result]) -> dict[str, int]:
        outcomes = Counter(result.outcome for result in results)
        tomorrow = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + _DAY))
        versions = [each.version for each in self._parsed if isinstance(each, Event)]
        return {
            **{outcome.capitalize(): outcomes[outcome] for outcome in Outcome},
            "SavedWrites": self._saved,
            "Unversioned": versions.count(None) if self._policy.attribute else 0,
            "FutureVersions": sum(
                isinstance(version, Timestamp) and version.second > tomorrow for version in versions
            ),
        }

    def guarded(self, task: Task) -> Task:
        """Return a task that raises nothing, whatever is wrong with it."""
        try:
            yield from task
        except Exception as error:
            self.note(error)

    def note(self, error: Exception) -> None:
        """Note an error of this function's own, once for each place that it comes from."""
        import traceback  # slow to import, and hardly ever needed

        frame = traceback.extract_tb(error.__traceback__)[-1]
        file = frame.filename.rpartition("/")[2]
        place = f"unexpected {type(error).__name__} at {file}:{frame.lineno}"
        self._unexpected.setdefault(place, traceback.format_exc())


def _policy(environment: Mapping[str, str], key: str) -> Last:
    attribute = environment.get("VERSION_ATTRIBUTE")
    if environment.get("APPEND_ONLY") == "true":
        return First(key)
    if attribute:
        return Newest(attribute, is_required=environment.get("REQUIRE_VERSION") == "true")
    return Last()


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
