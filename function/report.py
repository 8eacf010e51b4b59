"""What an invocation leaves in its log: a line of JSON per message not acknowledged, and counts."""

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from function.outcome import Outcome, Result

NAMESPACE = "EventState"
"""The CloudWatch namespace of the counts Written, Superseded, Coalesced, Rejected and Failed."""


def unacknowledged(record: Mapping[str, Any], event_id: str | None, result: Result) -> str:
    """Return the line for a rejected or failed message; says nothing of its body."""
    attributes = record.get("attributes")
    received = attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None
    return _line(
        level="ERROR" if result.outcome is Outcome.REJECTED else "WARN",
        outcome=result.outcome,
        reason=result.reason,
        messageId=record["messageId"],
        event_id=event_id,
        receiveCount=received,
    )


def unusable(reason: str, messages: int) -> str:
    """Return the one line for all messages that failed because the table cannot be used."""
    return _line(level="ERROR", outcome=Outcome.FAILED, reason=reason, messages=messages)


def counts(outcomes: Iterable[Outcome], function_name: str, milliseconds: int) -> str:
    """Return the invocation's five counts as CloudWatch metrics.

    milliseconds: now, since 1970. The form is CloudWatch's embedded metric format (EMF):
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    counted = Counter(outcomes)
    metrics = {outcome.capitalize(): counted[outcome] for outcome in Outcome}
    definition = {
        "Namespace": NAMESPACE,
        "Dimensions": [["FunctionName"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    return _line(
        _aws={"Timestamp": milliseconds, "CloudWatchMetrics": [definition]},
        FunctionName=function_name,
        **metrics,
    )


def write(lines: Iterable[str]) -> None:
    """Write lines to standard output, which Lambda carries to the log as they are.

    An output that cannot be written is let go: what DynamoDB confirmed has to be answered.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def _line(**members: Any) -> str:
    return json.dumps(members)
