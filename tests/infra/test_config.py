"""The stack's config: how its text is read, and the message on every mistake with its fix."""

import contextvars
import json
from dataclasses import replace
from typing import Any, Final
from unittest.mock import Mock

import pulumi
import pytest
from pulumi.runtime.mocks import Mocks
from pydantic.alias_generators import to_camel

from infra.config import load_arguments
from tests.infra.registered import RULE, TOPIC_OF_EVENTS, stack_with
from tools.errors import ToolError
from tools.preview import run
from tools.stacks import Stack

FIX: Final = "Fix: pulumi config set --stack prod"


def _load(stack: Stack) -> dict[str, Any]:
    """Read the arguments from a stack's config as the program does."""

    def load() -> dict[str, Any]:
        pulumi.runtime.set_all_config(dict(stack.config))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pulumi.get_project", lambda: stack.project)
            patch.setattr("pulumi.get_stack", lambda: stack.name)
            names = dict.fromkeys(("queue_name", "table_name", "function_name"), "pattern")
            return dict(load_arguments(names))  # type: ignore[arg-type]

    return contextvars.Context().run(load)


def _problems(**config: str) -> list[str]:
    """Load bad config; return the lines of the message."""
    with pytest.raises(pulumi.RunError) as error:
        _load(stack_with("prod", **config))
    head, *lines = str(error.value).split("\n  - ")
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    assert head == (
        f"{count} in the config of stack 'prod' (Pulumi.prod.yaml); no resource was registered:"
    )
    return lines


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("batchSize", "7", 7),
        ("batchSize", "007", 7),
        ("batchSize", "+5", 5),
        ("protectData", "true", True),
        ("changeStream", "false", False),
        ("versionAttribute", "", ""),
        ("versionAttribute", "7", "7"),
        ("queueName", "true", "true"),
        ("expiryAttribute", "[expires", "[expires"),
        ("topicArns", "[]", []),
        ("ruleArns", json.dumps([RULE]), [RULE]),
    ],
)
def test_text_is_read_as_the_key_wants_it(key: str, text: str, value: object) -> None:
    (found,) = (
        v for k, v in _load(stack_with("prod", **{key: text})).items() if to_camel(k) == key
    )
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    # A digit, but none of Go's, and more of them than Python reads.
    ["ten", "1.5", "1e3", "1_0", " 5", "٣", "9" * 5000, "", '{"a":1}'],
    ids=lambda text: text[:9],
)
def test_text_that_is_no_number_to_pulumi_is_refused(text: str) -> None:
    (problem,) = _problems(batchSize=text)
    assert problem.startswith(f"batchSize is {text!r}"[:100])
    assert problem.endswith(f": it must be a whole number from 1 to 10000. {FIX} batchSize VALUE")


def test_all_that_is_wrong_is_said_at_once_as_the_config_spells_it_with_its_fix() -> None:
    wrong = {
        "batchSize": "11",
        "protectData": "True",
        "topicArns": json.dumps([TOPIC_OF_EVENTS, 3]),
        "ruleArns": "[broken",
        "queue_name": "1",
        "senderArns": "1",
    }
    assert _problems(**wrong) == [
        "batchWindowSeconds is 0: a batchSize above 10 needs 1 or more. "
        f"{FIX} batchWindowSeconds VALUE",
        f"protectData is 'True': it must be true or false. {FIX} protectData VALUE",
        f"topicArns[1] is 3: it must be the ARN of an SNS topic. {FIX} --path 'topicArns[1]' VALUE",
        # No command sets a list as a whole.
        "ruleArns is '[broken': it must be a list of ARNs of EventBridge rules. "
        "Fix: edit Pulumi.prod.yaml",
        "queue_name is no key of EventState; the nearest one is queueName. "
        "Fix: pulumi config rm --stack prod queue_name",
        "senderArns is no key of EventState. Fix: pulumi config rm --stack prod senderArns",
    ]


def test_a_key_that_is_not_set_is_the_programs_default() -> None:
    assert _load(stack_with("prod"))["queue_name"] == "pattern"
    assert _load(stack_with("prod", queueName="mine"))["queue_name"] == "mine"


def test_with_bad_config_nothing_is_registered() -> None:
    mocks = Mock(Mocks)
    with pytest.raises(ToolError, match=r"^1 problem in the config of stack 'prod'"):
        run(stack_with("prod", batchSize="0"), mocks)
    assert mocks.mock_calls == []


def test_the_projects_name_is_anybodys() -> None:
    """`pulumi new` makes a project of another name, and the CLI reads its keys under that one."""
    ours = stack_with("prod", batchSize="7")
    config = {
        key.replace(f"{ours.project}:", "theirs:"): value for key, value in ours.config.items()
    }
    theirs = replace(ours, project="theirs", config={**config, "another:foreign": "1"})
    assert _load(theirs) == _load(ours)
