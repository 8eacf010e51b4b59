"""What an invocation leaves in its log: lines of JSON, and its counts."""

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from function.message import Message, Outcome

NAMESPACE = "EventState"
"""The CloudWatch namespace of the counts: Written, Superseded, Coalesced, Rejected, Failed, ..."""


class Report:
    """The lines of one invocation, and the one place that writes them."""

    def __init__(self, function_name: str, request_id: str) -> None:
        """request_id: the invocation's."""
        self._function_name = function_name
        self._request_id = request_id
        self._lines: list[str] = []
        self.unexpected: dict[str, str] = {}
        """Tracebacks of this function's own errors, by the place that each comes from."""

    def note(self, error: Exception) -> None:
        """Note an error of this function's own, once for each place."""
        import traceback  # slow to import, and hardly ever needed

        frame = traceback.extract_tb(error.__traceback__)[-1]
        file = frame.filename.rpartition("/")[2]
        place = f"unexpected {type(error).__name__} at {file}:{frame.lineno}"
        self.unexpected.setdefault(place, traceback.format_exc())

    def messages(self, messages: Sequence[Message], unusable: str) -> None:
        """Add a line for each message that was rejected or failed; none tells of its body.

        unusable: why the table cannot be used, said once for all that failed by it.
        """
        for place, trace in self.unexpected.items():
            self.line("ERROR", place, traceback=trace)
        if count := sum(message.reason == unusable != "" for message in messages):
            self.line("ERROR", unusable, outcome=Outcome.FAILED, messages=count)
        for message in messages:
            if message.reason in ("", unusable):
                continue
            self.line(
                "ERROR" if message.outcome is Outcome.REJECTED else "WARN",
                message.reason,
                outcome=message.outcome,
                messageId=message.record["messageId"],
                event_id=message.event_id,
                receiveCount=message.attributes.get("ApproximateReceiveCount"),
            )

    def line(self, level: str, reason: str, **members: Any) -> None:
        """Add a line. Lambda takes a level only beside a timestamp of RFC 3339.

        https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        start = {"timestamp": now, "level": level, "requestId": self._request_id}
        self._lines.append(json.dumps({**start, "reason": reason, **members}))

    def write(self, counts: Mapping[str, int]) -> None:
        """Write the lines to standard output, which Lambda carries to the log as they are.

        counts: by their metrics' names; in CloudWatch's embedded metric format (EMF):
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        An output that cannot be written is let go: what DynamoDB confirmed has to be answered.
        """
        definition = {
            "Namespace": NAMESPACE,
            "Dimensions": [["FunctionName"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
        }
        emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]}
        metrics = json.dumps({"_aws": emf, "FunctionName": self._function_name, **counts})
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write("".join(f"{line}\n" for line in [*self._lines, metrics]))
            sys.stdout.flush()
