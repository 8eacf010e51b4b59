"""No valid config registers what AWS would refuse, and the rules of the trade hold."""

import json
import re
import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infra.aws_rules import RETENTION_DAYS, refusals
from tests.infra.registered import (
    EVERYTHING,
    STACKS,
    VARIANTS,
    Registered,
    registered,
    stack_with,
    variant,
)
from tools.preview import preview

WORD: Final = string.ascii_letters + string.digits + "-_"
REGIONS: Final = ["us-east-1", "eu-central-1", "ap-southeast-2"]


ACCOUNTS: Final = st.sampled_from(["123456789012", "210987654321"])
TOPICS: Final = st.builds(  # of any region
    "arn:aws:sns:{}:{}:{}{}".format,
    *(st.sampled_from(REGIONS), ACCOUNTS, st.text(WORD, min_size=1, max_size=250)),
    st.sampled_from(["", ".fifo"]),
)
MEMBERS: Final = st.text(
    st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=255
).filter(lambda name: name == name.strip())
FLAGS: Final = st.booleans()


def _rules(region: str) -> st.SearchStrategy[str]:
    return st.builds(
        "arn:aws:events:{}:{}:rule/{}{}".format,
        *(st.just(region), ACCOUNTS, st.sampled_from(["", "a-bus/", "aws.partner/example/1/"])),
        st.text(WORD + ".", min_size=1, max_size=64),
    )


@st.composite
def _configs(draw: st.DrawFn) -> dict[str, str]:
    """Draw any config that infra/settings.py promises to accept."""
    region = draw(st.sampled_from(REGIONS))
    key, version, expiry = draw(st.lists(MEMBERS, min_size=3, max_size=3, unique=True))
    batch, timeout = draw(st.integers(1, 10_000)), draw(st.integers(1, 900))
    window, managed = draw(st.integers(1 if batch > 10 else 0, 300)), draw(FLAGS)
    pause = max(6 * timeout + window, 900 if managed else 0)
    policies: dict[str, dict[str, Any]] = {
        "newest": {
            "versionAttribute": version,
            "requireVersion": draw(FLAGS),
            "readBeforeWrite": draw(FLAGS),
        },
        "last": {"versionAttribute": ""},
        "first": {"appendOnly": True},
    }
    config: dict[str, Any] = {
        "aws__region": region,
        "queueName": draw(st.text(WORD, min_size=1, max_size=76)),
        "tableName": draw(st.text(WORD + ".", min_size=3, max_size=255)),
        "functionName": draw(st.text(WORD, min_size=1, max_size=64)),
        "keyAttribute": key,
        "batchSize": batch,
        "batchWindowSeconds": window,
        "functionTimeoutSeconds": timeout,
        "functionMemoryMb": draw(st.integers(128, 10_240)),
        "managedRetries": managed,
        "maxReceiveCount": draw(st.integers(1, min(1000, 302_400 // pause))),
        "logRetentionDays": draw(st.sampled_from(RETENTION_DAYS)),
        "protectData": draw(FLAGS),
        "topicArns": json.dumps(draw(st.lists(TOPICS, max_size=3))),
        "ruleArns": json.dumps(draw(st.lists(_rules(region), max_size=3))),
        "changeStream": draw(FLAGS),
        **policies[draw(st.sampled_from(list(policies)))],
        **draw(
            st.sampled_from(
                [
                    {},
                    {"alarmEmail": "operations@example.com"},
                    {"alarmTopicArn": f"arn:aws:sns:{region}:123456789012:pager"},
                ]
            )
        ),
    }
    optional = {
        "maximumConcurrency": draw(st.integers(2, 1000)),
        "kmsKeyArn": f"arn:aws:kms:{region}:123456789012:key/mrk-1234abcd",
        "expiryAttribute": expiry,
        "permissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess",
        "runbookUrl": "https://example.com/" + "r" * draw(st.integers(0, 480)),
    }
    config |= {name: value for name, value in optional.items() if draw(FLAGS)}
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in config.items()
    }


@settings(max_examples=15, deadline=None)
@given(_configs())
def test_no_valid_config_registers_what_aws_refuses(config: dict[str, str]) -> None:
    program = Registered(preview(stack_with("dev", **config)))
    assert refusals(program, config["aws__region"]) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_no_stack_registers_what_aws_refuses(name: str) -> None:
    assert refusals(variant(name), "us-east-1") == []


@pytest.mark.parametrize(
    ("resource", "change", "rule"),
    [
        ("queue", {"name": "q.r"}, "a queue's name"),
        ("queue", {"messageRetentionSeconds": 1_209_600}, "a dead-letter queue that keeps longer"),
        ("queue", {"visibilityTimeoutSeconds": 179}, "hidden while they are worked on"),
        ("queue", {"kmsMasterKeyId": "key"}, "one kind of encryption"),
        (
            "dead-letter-queue-redrive-allow",
            {"redriveAllowPolicy": '{"redrivePermission": "denyAll"}'},
            "a dead-letter queue that keeps longer",
        ),
        ("table", {"attributes": [{"name": "event_id"}, {"name": "x"}]}, "only key attributes"),
        ("log-group", {"retentionInDays": 31}, "a retention that exists"),
        ("role-policy", {"policy": '{"Version": "2012-10-17"}'}, "IAM's grammar"),
        (
            "queue-policy",
            {"policy": '{"Version": "2012-10-17", "Statement": [{"Sid": "A"}]}'},
            "a policy on SQS",
        ),
        ("function", {"timeout": 31}, "hidden while they are worked on"),
        ("event-source-mapping", {"batchSize": 11}, "a window for more than 10"),
        ("event-source-mapping", {"functionResponseTypes": []}, "failed messages are kept"),
        ("event-source-mapping", {"eventSourceArn": "arn:aws:sqs:eu-west-1:1:q"}, "an ARN is of"),
        ("alarm-oldest-message", {"threshold": 345_600}, "a threshold that can be passed"),
        ("dashboard", {"dashboardBody": '{"widgets": [], "graphs": []}'}, "a dashboard's body"),
    ],
)
def test_the_rules_see_what_aws_would_refuse(
    resource: str, change: dict[str, Any], rule: str
) -> None:
    broken = refusals(_changed(resource, change), "us-east-1")
    assert any(rule in each for each in broken), broken


def _changed(resource: str, inputs: dict[str, Any]) -> Registered:
    run = registered().run
    resources = (
        replace(each, inputs={**each.inputs, **inputs})
        if each.name == f"event-state-{resource}"
        else each
        for each in run.resources
    )
    return Registered(replace(run, resources=tuple(resources)))


# --- The checks of https://www.checkov.io/5.Policy%20Index/terraform.html for these resources.


def _statements(program: Registered, effect: str) -> list[dict[str, Any]]:
    """Return the statements of all policies, with "Action" as a list."""
    return [
        {**each, "Action": [each["Action"]] if isinstance(each["Action"], str) else each["Action"]}
        for resource in program.run.resources
        for key in ("policy", "assumeRolePolicy")
        if key in resource.inputs
        for each in json.loads(resource.inputs[key])["Statement"]
        if each["Effect"] == effect
    ]


def _allows(pattern: str) -> Callable[[Registered], bool]:
    """Whether an action that matches is allowed to anyone."""
    return lambda program: any(
        re.match(pattern, action)
        for each in _statements(program, "Allow")
        for action in each["Action"]
    )


def _no(check: Callable[[Registered], bool]) -> Callable[[Registered], bool]:
    return lambda program: not check(program)


def _is_for_all(program: Registered) -> bool:
    return any("*" in str(each.get("Principal")) for each in _statements(program, "Allow"))


def _is_on_all(program: Registered) -> bool:
    return any(each.get("Resource") == "*" for each in _statements(program, "Allow"))


def _may_be_assumed_by(program: Registered) -> Any:
    return program.inputs("role")["assumeRolePolicy"]["Statement"][0]["Principal"]


def _all(kind: str, holds: Callable[[Any], bool]) -> Callable[[Registered], bool]:
    """Every resource of the kind has inputs that hold, and there is one."""
    return lambda program: (
        bool(found := program.of_type(kind)) and all(holds(each.inputs) for each in found)
    )


VARIABLES: Final = {
    *("TABLE_NAME", "KEY_ATTRIBUTE", "VERSION_ATTRIBUTE", "REQUIRE_VERSION", "APPEND_ONLY"),
    *("READ_BEFORE_WRITE", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"),
}
Checks = dict[str, Callable[[Registered], bool]]

CHECKS: Final[Checks] = {
    "CKV_AWS_27": _all(
        "Queue", lambda inputs: inputs.get("sqsManagedSseEnabled") or inputs.get("kmsMasterKeyId")
    ),
    "CKV_AWS_28": _all("Table", lambda inputs: inputs["pointInTimeRecovery"] == {"enabled": True}),
    "CKV_AWS_45": _all(
        "Function",
        lambda inputs: set(inputs["environment"]["variables"]) <= VARIABLES,
    ),
    "CKV_AWS_50": _all(
        "Function", lambda inputs: inputs["tracingConfig"]["mode"] in ("Active", "PassThrough")
    ),
    "CKV_AWS_60": lambda program: _may_be_assumed_by(program)["Service"] == "lambda.amazonaws.com",
    "CKV_AWS_61": lambda program: "AWS" not in _may_be_assumed_by(program),
    "CKV_AWS_62": _no(_allows(r".*:\*$")),
    "CKV_AWS_63": _no(_allows(r"\*")),
    "CKV_AWS_66": _all("LogGroup", lambda inputs: inputs["retentionInDays"] >= 1),
    "CKV_AWS_72": _no(_allows(r"sqs:\*")),
    "CKV_AWS_168": _no(_is_for_all),
    "CKV_AWS_274": lambda program: not program.of_type("RolePolicyAttachment"),
    "CKV_AWS_286": _no(_allows(r"iam:")),
    "CKV_AWS_287": _no(_allows(r"sts:Get|iam:Create")),
    "CKV_AWS_288": _no(_allows(r"s3:|ssm:|secretsmanager:|dynamodb:(Get|Scan|Query|Export)")),
    "CKV_AWS_289": _no(_allows(r".*(Policy|Permission)")),
    "CKV_AWS_290": _no(_is_on_all),
    "CKV_AWS_355": _no(_is_on_all),
    "CKV_AWS_363": _all(
        "Function", lambda inputs: inputs["runtime"] in ("python3.13", "python3.14")
    ),
    "CKV_AWS_387": _no(_is_for_all),
    "CKV2_AWS_16": _all("Table", lambda inputs: inputs["billingMode"] == "PAY_PER_REQUEST"),
    "CKV2_AWS_73": _all("Queue", lambda inputs: inputs.get("kmsMasterKeyId") != "alias/aws/sqs"),
}

CHECKS_WITH_KEY: Final[Checks] = {
    "CKV_AWS_26": _all("Topic", lambda inputs: bool(inputs.get("kmsMasterKeyId"))),
    "CKV_AWS_119": _all(
        "Table", lambda inputs: bool(inputs["serverSideEncryption"].get("kmsKeyArn"))
    ),
    "CKV_AWS_158": _all("LogGroup", lambda inputs: bool(inputs.get("kmsKeyId"))),
    "CKV_AWS_173": _all("Function", lambda inputs: bool(inputs.get("kmsKeyArn"))),
}


def _broken(checks: Checks, program: Registered) -> list[str]:
    return [check for check, holds in checks.items() if not holds(program)]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_checks_of_checkov_hold(name: str) -> None:
    assert _broken(CHECKS, variant(name)) == []


def test_those_that_ask_for_a_customer_key_hold_with_one_and_only_then() -> None:
    assert _broken(CHECKS_WITH_KEY, variant(EVERYTHING)) == []
    assert _broken(CHECKS_WITH_KEY, registered(alarmEmail="a@example.com")) == [*CHECKS_WITH_KEY]


# --- Names.


def _physical(program: Registered) -> set[tuple[str, str]]:
    """Return what AWS knows each named resource by."""
    return {
        (each.type, each.inputs[key])
        for each in program.run.resources
        for key in ("name", "dashboardName")
        if key in each.inputs
    }


def test_two_stacks_in_one_account_and_region_do_not_collide() -> None:
    dev = registered("dev", alarmEmail="a@example.com")
    prod = registered("prod", alarmEmail="a@example.com")
    assert _physical(dev).isdisjoint(_physical(prod))
    assert len(_physical(dev)) == len(_physical(prod))


def test_no_functions_name_makes_its_alarms_another_functions() -> None:
    """`A-x` and alarm `y` is not `A` and alarm `x-y`, because no alarm's name ends in another's."""
    names = [each.name.removeprefix("alarm-") for each in registered().of_type("MetricAlarm")]
    assert not [(one, other) for one in names for other in names if one.endswith(f"-{other}")]


@pytest.mark.parametrize("name", STACKS)
def test_one_stack_in_two_regions_does_not_collide(name: str) -> None:
    """Roles and dashboards are the account's; everything else is the region's."""
    here, there = (registered(name, aws__region=region) for region in ("us-east-1", "eu-west-1"))
    assert "name" not in here["role"].inputs
    assert "name" not in here["role-policy"].inputs
    assert here["dashboard"].inputs["dashboardName"] != there["dashboard"].inputs["dashboardName"]
    assert not [each.name for each in there.run.resources if "us-east-1" in str(dict(each.inputs))]
