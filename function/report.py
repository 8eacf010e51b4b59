"""What an invocation leaves in its log: a line of JSON per message not acknowledged, and counts."""

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from function.outcome import Outcome, Result

NAMESPACE = "EventState"
"""The CloudWatch namespace of the counts: Written, Superseded, Coalesced, Rejected, Failed, ..."""


class Report:
    """The lines of one invocation, and the one place that writes them."""

    def __init__(self, function_name: str, request_id: str) -> None:
        """request_id: the invocation's."""
        self._function_name = function_name
        self._request_id = request_id
        self._lines: list[str] = []

    def unacknowledged(
        self, record: Mapping[str, Any], event_id: str | None, result: Result
    ) -> None:
        """Add the line of a rejected or failed message; it says nothing of its body."""
        attributes = record.get("attributes")
        received = attributes if isinstance(attributes, dict) else {}
        self.line(
            "ERROR" if result.outcome is Outcome.REJECTED else "WARN",
            result.reason,
            outcome=result.outcome,
            messageId=record["messageId"],
            event_id=event_id,
            receiveCount=received.get("ApproximateReceiveCount"),
        )

    def line(self, level: str, reason: str, **members: Any) -> None:
        """Add a line. Lambda takes a level only beside a timestamp of RFC 3339.

        https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        start = {"timestamp": now, "level": level, "requestId": self._request_id}
        self._lines.append(json.dumps({**start, "reason": reason, **members}))

    def counts(self, counts: Mapping[str, int]) -> None:
        """Add the invocation's counts, by their metrics' names.

        The form is CloudWatch's embedded metric format (EMF):
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        definition = {
            "Namespace": NAMESPACE,
            "Dimensions": [["FunctionName"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
        }
        emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]}
        members = {"_aws": emf, "FunctionName": self._function_name, **counts}
        self._lines.append(json.dumps(members))

    def write(self) -> None:
        """Write the lines to standard output, which Lambda carries to the log as they are.

        An output that cannot be written is let go: what DynamoDB confirmed has to be answered.
        """
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write("".join(f"{line}\n" for line in self._lines))
            sys.stdout.flush()
