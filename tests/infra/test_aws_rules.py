"""What AWS refuses, or takes and loses messages by, and no schema says: cfn-lint asks for the rest.

Written from AWS's documentation and not from the program.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from cfnlint import lint
from pydantic.alias_generators import to_camel

from tests.infra.registered import (
    EMAIL,
    KEY,
    STACKS,
    VARIANTS,
    Registered,
    registered,
    stack_with,
    variant,
)
from tests.infra.test_settings import KEYS
from tools.template import make_template


def _ends(place: int, **others: str) -> dict[str, str]:
    """Give each key the first or the last value that its own tests have accepted, but for others.

    For a key that must be left out beside these, "".
    """
    values = {to_camel(key): accepted[place] for key, (*_, accepted) in KEYS.items()}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    config = {"appendOnly": "false", "alarmTopicArn": "", "kmsKeyArn": KEY, **others}
    return {key: text for key, text in {**texts, **config}.items() if text not in ("", "null")}


SMALLEST: Final = _ends(0)
LARGEST: Final = _ends(
    -1,
    keyAttribute="🔑" * 255,
    versionAttribute="🕐" * 255,
    batchSize="10000",
    maxReceiveCount="53",
    topicArns=json.dumps([f"arn:aws:sns:us-east-2:123456789012:{'t' * 250}.fifo"] * 10),
    ruleArns=json.dumps([f"arn:aws:events:us-east-1:123456789012:rule/{'r' * 321}"] * 10),
)
# Type, input and how many characters of it AWS takes.
LENGTHS: Final = (
    ("RolePolicy", "policy", 10_240),
    ("QueuePolicy", "policy", 8192),
    ("MetricAlarm", "name", 255),
    ("MetricAlarm", "alarmDescription", 1024),
    ("Topic", "name", 256),
)


def _keeps_dead_letters_longer(program: Registered) -> bool:
    """Whether the dead-letter queue keeps messages longer, and lets the queue in."""
    queue, letters = program.inputs("queue"), program.inputs("dead-letter-queue")
    allowed = program.inputs("dead-letter-queue-redrive-allow")["redriveAllowPolicy"]
    return (
        queue["redrivePolicy"]["deadLetterTargetArn"].endswith(f":{letters['name']}")
        and queue["messageRetentionSeconds"] < letters["messageRetentionSeconds"]
        and allowed["redrivePermission"] == "byQueue"
        and [arn.split(":")[-1] for arn in allowed["sourceQueueArns"]] == [queue["name"]]
    )


def _hides_what_is_worked_on(program: Registered) -> bool:
    timeout = program["function"].inputs["timeout"]
    window = program["event-source-mapping"].inputs["maximumBatchingWindowInSeconds"]
    visibility = program["queue"].inputs["visibilityTimeoutSeconds"]
    return bool(6 * timeout + window <= visibility <= 43_200)


def _ages_can_be_reached(program: Registered) -> bool:
    """Whether each alarm on a message's age rings before its queue deletes it."""
    kept = {
        each.inputs["name"]: each.inputs["messageRetentionSeconds"]
        for each in program.of_type("Queue")
    }
    return all(
        each.inputs["threshold"] < kept[each.inputs["dimensions"]["QueueName"]]
        for each in program.of_type("MetricAlarm")
        if each.inputs["metricName"] == "ApproximateAgeOfOldestMessage"
    )


def _is_of_one_region(program: Registered) -> bool:
    """Whether it is, but for topics that send, which alone can be elsewhere."""
    region = program.run.outputs["queueArn"].split(":")[3]
    return {
        (each.name, service)
        for each in program.run.resources
        for service, other in re.findall(r"arn:aws:(\w+):([a-z0-9-]+):", str(dict(each.inputs)))
        if other != region
    } <= {("event-state-queue-policy", "sns")}


RULES: Final[Mapping[str, Callable[[Registered], bool]]] = {
    "the role's policy is there before the function": lambda program: (
        "role-policy" in program.needs("function")
    ),
    "the function is there before the mapping": lambda program: (
        "function" in program.needs("event-source-mapping")
    ),
    "a message is hidden while it is worked on": _hides_what_is_worked_on,
    "a failed message of a batch is kept": lambda program: (
        program["event-source-mapping"].inputs["functionResponseTypes"]
        == ["ReportBatchItemFailures"]
    ),
    "a dead letter outlives the queue": _keeps_dead_letters_longer,
    "an age that alarms is reached": _ages_can_be_reached,
    "an ARN is of the stack's region": _is_of_one_region,
    "an environment has at most 4 KB": lambda program: (
        len(str(program["function"].inputs["environment"]["variables"]).encode()) <= 4096
    ),
    "a text is not longer than AWS takes": lambda program: all(
        len(each.inputs[key]) <= most
        for kind, key, most in LENGTHS
        for each in program.of_type(kind)
    ),
}


def _refusals(program: Registered) -> list[str]:
    return [rule for rule, holds in RULES.items() if not holds(program)]


@pytest.mark.parametrize("name", VARIANTS)
def test_no_stack_registers_what_aws_refuses(name: str) -> None:
    assert _refusals(variant(name)) == []


@pytest.mark.parametrize("config", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_nor_does_any_config_that_is_accepted(config: dict[str, str]) -> None:
    assert _refusals(registered(**config)) == []
    body = make_template(stack_with("prod", **config)).body
    assert lint(json.dumps(body, ensure_ascii=False)) == []


@pytest.mark.parametrize(
    ("rule", "resource", "change"),
    [
        ("the role's policy", "function", {}),
        ("the function is there", "event-source-mapping", {}),
        ("a message is hidden", "queue", {"visibilityTimeoutSeconds": 179}),
        ("a message is hidden", "function", {"timeout": 31}),
        ("a failed message", "event-source-mapping", {"functionResponseTypes": []}),
        ("a dead letter", "queue", {"messageRetentionSeconds": 1_209_600}),
        (
            "a dead letter",
            "dead-letter-queue-redrive-allow",
            {"redriveAllowPolicy": '{"redrivePermission": "denyAll"}'},
        ),
        ("an age", "alarm-oldest-message", {"threshold": 345_600}),
        ("an ARN", "event-source-mapping", {"eventSourceArn": "arn:aws:sqs:eu-west-1:1:q"}),
        ("an environment", "function", {"environment": {"variables": {"KEY": "k" * 4096}}}),
        ("a text", "queue-policy", {"policy": "p" * 8193}),
    ],
)
def test_a_rule_that_is_broken_is_found(rule: str, resource: str, change: dict[str, Any]) -> None:
    run = registered().run
    resources = tuple(
        replace(each, inputs={**each.inputs, **change}, dependencies=())
        if each.name == f"event-state-{resource}"
        else each
        for each in run.resources
    )
    found = _refusals(Registered(replace(run, resources=resources)))
    assert any(each.startswith(rule) for each in found), found


def _physical(program: Registered) -> set[tuple[str, str]]:
    """Return what AWS knows each named resource by."""
    return {
        (each.type, each.inputs[key])
        for each in program.run.resources
        for key in ("name", "dashboardName")
        if key in each.inputs
    }


def test_two_stacks_in_one_account_and_region_do_not_collide() -> None:
    dev, prod = (_physical(registered(stack, alarmEmail=EMAIL)) for stack in ("dev", "prod"))
    assert dev.isdisjoint(prod)
    assert len(dev) == len(prod)


def test_no_functions_name_makes_its_alarms_another_functions() -> None:
    """`A-x` and alarm `y` is not `A` and alarm `x-y`, because no alarm's name ends in another's."""
    prefix = "event-state-alarm-"
    names = [each.name.removeprefix(prefix) for each in registered().of_type("MetricAlarm")]
    assert not [(one, other) for one in names for other in names if one.endswith(f"-{other}")]


@pytest.mark.parametrize("name", STACKS)
def test_one_stack_in_two_regions_does_not_collide(name: str) -> None:
    """Roles and dashboards are the account's; everything else is the region's."""
    here, there = (registered(name, aws__region=region) for region in ("us-east-1", "eu-west-1"))
    assert "name" not in here["role"].inputs
    assert "name" not in here["role-policy"].inputs
    assert here["dashboard"].inputs["dashboardName"] != there["dashboard"].inputs["dashboardName"]
    assert not [each.name for each in there.run.resources if "us-east-1" in str(dict(each.inputs))]
