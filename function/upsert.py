"""One batch from end to end: parse, one write per id, retries, answer."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from function.loop import Loop
from function.message import Message, Outcome
from function.policy import Policy
from function.queue import Queue
from function.report import Report
from function.request import Task
from function.table import Table, TableUnusableError

RETRY_SECONDS = 2.5  # kept back for SQS, if managed retries are on and the timeout is long enough


class Upsert:
    """Stores what a batch carries, and reports every message that was not confirmed."""

    def __init__(self, environment: Mapping[str, str], loop: Loop) -> None:
        """environment: as docs/reliability.md has it; ValueError names what is missing."""
        table = environment.get("TABLE_NAME")
        if not table:
            raise ValueError("TABLE_NAME is not set; name the table of events")
        self._loop = loop
        self._key = environment.get("KEY_ATTRIBUTE") or "event_id"
        self._policy = Policy(environment, self._key)
        self._table = Table(table, self._key, self._policy)
        self._reads = environment.get("READ_BEFORE_WRITE") == "true"
        queue, letters = environment.get("QUEUE_URL"), environment.get("DEAD_LETTER_QUEUE_URL")
        self._queue = Queue(queue, letters) if queue and letters else None

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Process a batch of SQS messages and return Lambda's partial batch response.

        Raises ValueError, before anything is written, for what is no such batch or has a record
        without a messageId: what an answer cannot name, SQS deletes. After that nothing is raised.
        """
        remaining = context.get_remaining_time_in_millis() / 1000
        now = time.monotonic()
        # Kept for what is under way (one half), and for logging and answering (the other).
        reserve = max(0.2, remaining / 10)
        retry = min(RETRY_SECONDS, remaining / 5) if self._queue else 0
        begin_until = now + remaining - reserve - retry
        wait_until = begin_until + reserve / 2
        messages = [Message(each, self._key, self._policy.version) for each in _records(event)]
        report = Report()

        by_id: dict[str | None, list[Message]] = {}
        for message in messages:
            if message.item:
                by_id.setdefault(message.event_id, []).append(message)
        groups = [self._policy.order(group) for group in by_id.values()]
        if self._reads:  # it may fail, and must leave the writes their time
            read_until = now + (begin_until - now) / 3
            self._run(self._table.read(groups), report, read_until, read_until)
        unsettled = [group for group in groups if group[0].outcome is Outcome.FAILED]
        self._run(map(self._table.write, unsettled), report, begin_until, wait_until)
        why = "; ".join(report.unexpected) or "not confirmed before time ran out"
        for message in messages:
            if message.outcome is Outcome.FAILED:
                message.reason = report.unusable or message.reason or why
        if self._queue:
            calls = self._queue.retry(messages, report.troubles)
            self._run(calls, report, wait_until + retry / 2, wait_until + retry)
        saved = {"SavedWrites": len(groups) - len(unsettled)}
        report.write(messages, {**self._counts(messages), **saved}, context)
        failed = [each.record["messageId"] for each in messages if not each.is_acknowledged]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in dict.fromkeys(failed)]}

    def _run(self, tasks: Iterable[Task], report: Report, *until: float) -> None:
        """Run tasks, until as the loop's."""

        def guarded(task: Task) -> Task:
            try:
                yield from task
            except TableUnusableError:
                raise
            except Exception as error:  # whatever is wrong with one, the others go on
                report.note(error)

        try:
            self._loop.run(map(guarded, tasks), *until)
        except TableUnusableError as error:
            report.unusable = str(error)
        except Exception as error:  # whatever it is, nothing more was confirmed
            report.note(error)

    def _counts(self, messages: Sequence[Message]) -> dict[str, int]:
        outcomes = [message.outcome for message in messages]
        ranks = [message.version.rank for message in messages if message.item]
        tomorrow = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 86_400))
        return {
            **{outcome.capitalize(): outcomes.count(outcome) for outcome in Outcome},
            "Unversioned": sum(kind == 0 for kind, _ in ranks) if self._policy.attribute else 0,
            "FutureVersions": sum(kind == 2 and value > tomorrow for kind, value in ranks),
        }


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
