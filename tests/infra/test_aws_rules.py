"""What AWS refuses, or takes and loses messages by, and no schema says: cfn-lint asks for the rest.

Written from AWS's documentation and not from the program.
"""

import json
from typing import Final

import pytest
from cfnlint import lint
from pydantic.alias_generators import to_camel

from tests.infra.registered import KEY, VARIANTS, registered, stack_with
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


@pytest.mark.parametrize(
    ("stack", "config"),
    [*VARIANTS.values(), ("prod", SMALLEST), ("prod", LARGEST)],
    ids=[*VARIANTS, "smallest", "largest"],
)
def test_nothing_is_registered_that_aws_refuses(stack: str, config: dict[str, str]) -> None:
    program = registered(stack, **config)
    function, mapping, queue = (
        program[name].inputs for name in ("function", "event-source-mapping", "queue")
    )
    # What a function needs its role for is checked when it or its mapping is made.
    assert "role-policy" in program.needs("function")
    assert "function" in program.needs("event-source-mapping")
    # A message is hidden while it is worked on, and twelve hours at most.
    worked_on = 6 * function["timeout"] + mapping["maximumBatchingWindowInSeconds"]
    assert worked_on <= queue["visibilityTimeoutSeconds"] <= 43_200
    assert len(str(function["environment"]["variables"]).encode()) <= 4096
    for kind, key, most in LENGTHS:
        assert all(len(each.inputs[key]) <= most for each in program.of_type(kind).values()), (
            kind,
            key,
        )


@pytest.mark.parametrize("config", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_cfn_lint_finds_nothing_in_any_config_that_is_accepted(config: dict[str, str]) -> None:
    body = make_template(stack_with("prod", **config)).body
    assert lint(json.dumps(body, ensure_ascii=False)) == []


def test_no_functions_name_makes_its_alarms_another_functions() -> None:
    """`A-x` and alarm `y` is not `A` and alarm `x-y`, because no alarm's name ends in another's."""
    names = [each.removeprefix("alarm-") for each in registered().of_type("MetricAlarm")]
    assert not [(one, other) for one in names for other in names if one.endswith(f"-{other}")]
