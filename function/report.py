"""What an invocation leaves in its log: lines of JSON, and its counts."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from function.message import Message, Outcome


class Report:
    """What one invocation has to tell, and the one place that writes it."""

    def __init__(self) -> None:
        self.unexpected: dict[str, str] = {}  # tracebacks of our own errors, each by its place
        self.unusable = ""  # why the table cannot be used, told once for all that failed by it
        self.troubles: set[str] = set()  # what SQS did not confirm

    def note(self, error: Exception) -> None:
        """Note an error of this function's own, once for each place."""
        import traceback  # slow to import, and hardly ever needed

        frame = traceback.extract_tb(error.__traceback__)[-1]
        file = frame.filename.rpartition("/")[2]
        place = f"unexpected {type(error).__name__} at {file}:{frame.lineno}"
        self.unexpected.setdefault(place, traceback.format_exc())

    def write(self, messages: Sequence[Message], counts: Mapping[str, int], context: Any) -> None:
        """Write to standard output, which Lambda carries to the log, unless it cannot be written.

        A line for each message that was rejected or failed, telling nothing of its body; and one
        with the counts by their metrics' names, in CloudWatch's embedded metric format:
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        # Lambda takes a level only beside a timestamp of RFC 3339.
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        lines = [
            {"timestamp": now, "level": level, "requestId": context.aws_request_id, **members}
            for level, members in self._lines(messages)
        ]
        definition = {
            "Namespace": "EventState",
            "Dimensions": [["FunctionName"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
        }
        emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]}
        lines.append({"_aws": emf, "FunctionName": context.function_name, **counts})
        with contextlib.suppress(OSError, ValueError):  # what DynamoDB confirmed has its answer
            sys.stdout.write("".join(f"{json.dumps(line)}\n" for line in lines))
            sys.stdout.flush()

    def _lines(self, messages: Sequence[Message]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the level and the members of each line."""
        for trouble in sorted(self.troubles):
            yield "WARN", {"reason": trouble}
        for place, trace in self.unexpected.items():
            yield "ERROR", {"reason": place, "traceback": trace}
        if count := sum(each.reason == self.unusable != "" for each in messages):
            yield "ERROR", {"reason": self.unusable, "outcome": Outcome.FAILED, "messages": count}
        for message in messages:
            if message.reason in ("", self.unusable):
                continue
            yield (
                "ERROR" if message.outcome is Outcome.REJECTED else "WARN",
                {
                    "reason": message.reason,
                    "outcome": message.outcome,
                    "messageId": message.record["messageId"],
                    "event_id": message.event_id,
                    "receiveCount": message.attributes.get("ApproximateReceiveCount"),
                },
            )
