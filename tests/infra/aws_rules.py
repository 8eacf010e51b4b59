"""What AWS refuses, written from its documentation and not from the program.

Each function returns the rules that are broken, as sentences; none is broken in an empty list.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import (
    IAMPolicyDocumentValidator,
    IAMTrustPolicyDocumentValidator,
)

from tests.infra.registered import Registered
from tools.program import Resource

RETENTION_DAYS: Final = [
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
]

QUEUE_POLICY: Final = "aws:sqs/queuePolicy:QueuePolicy"

_STAT: Final = re.compile(r"SampleCount|Average|Sum|Minimum|Maximum|p\d{1,2}(\.\d+)?")
_GRAPH: Final = {
    *("accountId", "annotations", "legend", "liveData", "metrics", "period", "region", "setPeriod"),
    *("sparkline", "stacked", "stat", "timezone", "title", "trend", "view", "yAxis", "labels"),
}
_LINE: Final = {
    *("accountId", "color", "expression", "id", "label", "period", "region", "stat", "visible"),
    "yAxis",
}


def dashboard_problems(text: str) -> list[str]:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html."""
    return list(_dashboard_problems(json.loads(text)))


def _dashboard_problems(body: Any) -> Iterator[str]:
    widgets = body["widgets"]
    if set(body) - {"widgets", "start", "end", "periodOverride", "variables"}:
        yield f"unknown members of the body: {set(body)}"
    if len(widgets) > 500:
        yield "more than 500 widgets"
    limits = {"x": (0, 23), "y": (0, 10_000), "width": (1, 24), "height": (1, 1000)}
    for widget in widgets:
        if set(widget) != {"type", *limits, "properties"}:
            yield f"members of a widget: {set(widget)}"
        for key, (low, high) in limits.items():
            if not isinstance(widget[key], int) or not low <= widget[key] <= high:
                yield f"{key} is {widget[key]}"
        if widget["x"] + widget["width"] > 24:
            yield "a widget is beyond the grid"
        if widget["type"] == "metric":
            yield from _graph_problems(widget["properties"])
        elif widget["type"] == "alarm":
            yield from _alarm_widget_problems(widget["properties"])
        else:
            yield f"type is {widget['type']}"
    for one, other in combinations(widgets, 2):
        if all(
            one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
            for at, size in (("x", "width"), ("y", "height"))
        ):
            yield "two widgets overlap"


def _graph_problems(properties: Mapping[str, Any]) -> Iterator[str]:
    if unknown := set(properties) - _GRAPH:
        yield f"unknown properties: {unknown}"
    if "region" not in properties:
        yield "region is required"
    if properties.get("view", "timeSeries") not in ("timeSeries", "singleValue", "gauge", "bar"):
        yield f"view is {properties['view']}"
    if not 1 <= len(properties.get("metrics", [])) <= 500:
        yield "a graph has 1 to 500 metrics"
    yield from _style_problems(properties)
    for metric in properties.get("metrics", []):
        *names, last = metric
        style, names = (last, names) if isinstance(last, dict) else ({}, metric)
        if len(names) < 2 or len(names) % 2 or not all(isinstance(name, str) for name in names):
            yield f"a metric is namespace, name, then pairs of dimension and value: {metric}"
        if unknown := set(style) - _LINE:
            yield f"unknown rendering properties: {unknown}"
        if style.get("yAxis", "left") not in ("left", "right"):
            yield f"yAxis is {style['yAxis']}"
        yield from _style_problems(style)


def _style_problems(style: Mapping[str, Any]) -> Iterator[str]:
    if not _STAT.fullmatch(style.get("stat", "Average")):
        yield f"stat is {style['stat']}"
    period = style.get("period", 60)
    if period not in (1, 5, 10, 20, 30) and (period % 60 or not period):
        yield f"period is {period}"


def _alarm_widget_problems(properties: Mapping[str, Any]) -> Iterator[str]:
    if set(properties) - {"alarms", "sortBy", "states", "title"}:
        yield f"unknown properties: {set(properties)}"
    if not 1 <= len(properties["alarms"]) <= 100:
        yield "an alarm widget shows 1 to 100 alarms"
    alarm = re.compile(r"arn:aws:cloudwatch:[a-z0-9-]+:\d{12}:alarm:.+")
    if not all(alarm.fullmatch(arn) for arn in properties["alarms"]):
        yield "an alarm widget names alarms by ARN"


def refusals(program: Registered, region: str) -> list[str]:
    """Say what AWS would refuse, or would take and lose messages by."""
    broken: list[str] = []
    for resource in program.run.resources:
        for kind, rules in _RULES.items():
            if resource.type.endswith(f":{kind}"):
                broken += [
                    f"{resource.name}: {rule}"
                    for rule, holds in rules.items()
                    if not holds(program, resource)
                ]
        # Topics that may send are the one thing named that can be elsewhere.
        arns = r"arn:aws:([a-z]+):([a-z0-9-]+):"
        for service, other in re.findall(arns, json.dumps(_plain(resource))):
            if other != region and (service, resource.type) != ("sns", QUEUE_POLICY):
                broken.append(f"{resource.name}: an ARN is of region {other}, not {region}")
    return broken


def _plain(resource: Resource) -> dict[str, Any]:
    return {key: value for key, value in resource.inputs.items() if key != "code"}


def _matches(pattern: str, key: str = "name") -> Callable[[Registered, Resource], bool]:
    return lambda _, each: bool(re.fullmatch(pattern, each.inputs[key]))


def _within(key: str, low: int, high: int) -> Callable[[Registered, Resource], bool]:
    return lambda _, each: type(each.inputs[key]) is int and low <= each.inputs[key] <= high


def _grammar(
    validator: Callable[[str], Any], key: str = "policy"
) -> Callable[[Registered, Resource], bool]:
    def holds(_: Registered, each: Resource) -> bool:
        try:
            validator(each.inputs[key]).validate()
        except MalformedPolicyDocument:
            return False
        return True

    return holds


def _resource_policy(service: str) -> Callable[[Registered, Resource], bool]:
    """Moto has no grammar for these: each statement in full, on this service alone."""

    def holds(_: Registered, each: Resource) -> bool:
        document = json.loads(each.inputs["policy"])
        return (
            set(document) == {"Version", "Statement"}
            and document["Version"] == "2012-10-17"
            and all(
                set(statement) == {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
                and statement["Effect"] in ("Allow", "Deny")
                and statement["Action"].startswith(f"{service}:")
                and statement["Resource"].startswith(f"arn:aws:{service}:")
                for statement in document["Statement"]
            )
            and len(each.inputs["policy"]) <= 8192
        )

    return holds


def _redrive(program: Registered, queue: Resource) -> bool:
    """Look whether the dead-letter queue exists, keeps messages longer and lets this queue in."""
    policy = json.loads(queue.inputs.get("redrivePolicy", "null"))
    if policy is None:
        return True
    dead_letters = program["dead-letter-queue"].inputs
    allowed = program.inputs("dead-letter-queue-redrive-allow")["redriveAllowPolicy"]
    return (
        policy["deadLetterTargetArn"].endswith(f":{dead_letters['name']}")
        and type(policy["maxReceiveCount"]) is int
        and 1 <= policy["maxReceiveCount"] <= 1000
        and queue.inputs["messageRetentionSeconds"] < dead_letters["messageRetentionSeconds"]
        and allowed["redrivePermission"] == "byQueue"
        and [arn.split(":")[-1] for arn in allowed["sourceQueueArns"]] == [queue.inputs["name"]]
    )


def _visibility(program: Registered, mapping: Resource) -> bool:
    timeout = program["function"].inputs["timeout"]
    visibility = program["queue"].inputs["visibilityTimeoutSeconds"]
    window = mapping.inputs["maximumBatchingWindowInSeconds"]
    return bool(6 * timeout + window <= visibility <= 43_200)


def _environment(_: Registered, function: Resource) -> bool:
    variables = function.inputs["environment"]["variables"]
    return len(json.dumps(variables, ensure_ascii=False).encode()) <= 4096 and all(
        re.fullmatch(r"[A-Za-z]\w+", key, re.ASCII) for key in variables
    )


def _can_be_passed(program: Registered, alarm: Resource) -> bool:
    """Whether an alarm on a message's age rings before its queue deletes it."""
    kept = {
        each.inputs["name"]: each.inputs["messageRetentionSeconds"]
        for each in program.of_type("Queue")
    }
    return alarm.inputs["metricName"] != "ApproximateAgeOfOldestMessage" or bool(
        alarm.inputs["threshold"] < kept.get(alarm.inputs["dimensions"]["QueueName"], 0)
    )


_RULES: Final[Mapping[str, Mapping[str, Callable[[Registered, Resource], bool]]]] = {
    "Queue": {
        "a queue's name": _matches(r"[A-Za-z0-9_-]{1,80}"),
        "messages of at most 1 MiB": _within("maxMessageSize", 1024, 1_048_576),
        "kept for 1 minute to 14 days": _within("messageRetentionSeconds", 60, 1_209_600),
        "one kind of encryption": lambda _, each: (
            ("kmsMasterKeyId" in each.inputs) != ("sqsManagedSseEnabled" in each.inputs)
        ),
        "a dead-letter queue that keeps longer": _redrive,
    },
    "Table": {
        "a stream has a view type, and none has none": lambda _, each: (
            ("streamViewType" in each.inputs) == each.inputs["streamEnabled"]
        ),
        "an expiry has an attribute other than the key": lambda _, each: (
            not each.inputs["ttl"]["enabled"]
            or each.inputs["ttl"]["attributeName"] not in ("", each.inputs["hashKey"])
        ),
        "a table's name": _matches(r"[A-Za-z0-9_.-]{3,255}"),
        "only key attributes are defined": lambda _, each: (
            [attribute["name"] for attribute in each.inputs["attributes"]]
            == [each.inputs["hashKey"]]
        ),
    },
    "LogGroup": {
        "a log group's name": _matches(r"[A-Za-z0-9_/.#-]{1,512}"),
        "a retention that exists": lambda _, each: each.inputs["retentionInDays"] in RETENTION_DAYS,
    },
    "Role": {
        "a description's letters": _matches(r"[\t\n\r\x20-\x7e\xa1-\xff]{0,1000}", "description"),
        "IAM's grammar": _grammar(IAMTrustPolicyDocumentValidator, "assumeRolePolicy"),
    },
    "RolePolicy": {
        "IAM's grammar": _grammar(IAMPolicyDocumentValidator),
        "inline policies of at most 10240 letters": lambda _, each: (
            len(re.sub(r"\s", "", each.inputs["policy"])) <= 10_240
        ),
    },
    "QueuePolicy": {"a policy on SQS": _resource_policy("sqs")},
    "TopicPolicy": {"a policy on SNS": _resource_policy("sns")},
    "Topic": {"a topic's name": _matches(r"[A-Za-z0-9_-]{1,256}")},
    "TopicSubscription": {"an address": _matches(r"[^@\s]+@[^@\s]+", "endpoint")},
    "Function": {
        "a function's name": _matches(r"[A-Za-z0-9_-]{1,64}"),
        "a timeout of 1 to 900 s": _within("timeout", 1, 900),
        "memory of 128 to 10240 MB": _within("memorySize", 128, 10_240),
        "an environment of at most 4 KB": _environment,
        "the role's policy exists first": lambda program, _: (
            "role-policy" in program.needs("function")
        ),
    },
    "EventSourceMapping": {
        "a batch of 1 to 10000": _within("batchSize", 1, 10_000),
        "a window of 0 to 300 s": _within("maximumBatchingWindowInSeconds", 0, 300),
        "a window for more than 10": lambda _, each: (
            each.inputs["batchSize"] <= 10 or each.inputs["maximumBatchingWindowInSeconds"] >= 1
        ),
        "a concurrency of 2 to 1000": lambda _, each: (
            "scalingConfig" not in each.inputs
            or 2 <= each.inputs["scalingConfig"]["maximumConcurrency"] <= 1000
        ),
        "failed messages are kept": lambda _, each: (
            each.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
        ),
        "hidden while they are worked on": _visibility,
        "the role's policy exists first": lambda program, _: (
            "function" in program.needs("event-source-mapping")
        ),
    },
    "MetricAlarm": {
        "an alarm's name": _matches(r"[^\x00-\x1f]{1,255}"),
        "a description": _matches(r".{1,1024}", "alarmDescription"),
        "one statistic": lambda _, each: (
            ("statistic" in each.inputs) != ("extendedStatistic" in each.inputs)
        ),
        "at most a day": lambda _, each: (
            each.inputs["period"] % 60 == 0
            and each.inputs["datapointsToAlarm"] <= each.inputs["evaluationPeriods"]
            and each.inputs["period"] * each.inputs["evaluationPeriods"] <= 86_400
        ),
        "a threshold that can be passed": _can_be_passed,
    },
    "Dashboard": {
        "a dashboard's name": _matches(r"[A-Za-z0-9_-]{1,255}", "dashboardName"),
        "a dashboard's body": lambda _, each: not dashboard_problems(each.inputs["dashboardBody"]),
    },
}
