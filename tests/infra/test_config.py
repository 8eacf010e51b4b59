"""The stack's config: how its text is read, and the message on every mistake with its fix."""

import contextvars
import json
from dataclasses import replace
from typing import Any, Final

import pulumi
import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pydantic.alias_generators import to_camel

from infra.config import ConfigError, load_arguments
from tests.infra.registered import RULE, TOPIC_OF_EVENTS, stack_with
from tests.infra.test_settings import BROKEN
from tools.errors import ToolError
from tools.program import run
from tools.stacks import Stack

WHOLE: Final = "it must be a whole number from 1 to 10000"
BOOLEAN: Final = "it must be true or false"


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
    with pytest.raises(ConfigError) as error:
        _load(stack_with("prod", **config))
    head, *lines = str(error.value).split("\n  - ")
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    assert head == (
        f"{count} in the config of stack 'prod' (Pulumi.prod.yaml); no resource was registered:"
    )
    return lines


def _fix(key: str) -> str:
    return f"Fix: pulumi config set --stack prod {key} VALUE"


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
    ("key", "text", "rule"),
    [
        ("batchSize", "ten", WHOLE),
        ("batchSize", "1.5", WHOLE),
        ("batchSize", "1e3", WHOLE),
        ("batchSize", "1_0", WHOLE),
        ("batchSize", " 5", WHOLE),
        ("batchSize", "٣", WHOLE),  # a digit, but none of Go's
        ("batchSize", "9" * 5000, WHOLE),
        ("batchSize", "", WHOLE),
        ("batchSize", '{"a":1}', WHOLE),
        ("protectData", "yes", BOOLEAN),
        ("protectData", "True", BOOLEAN),
        ("protectData", "", BOOLEAN),
    ],
)
def test_a_wrong_type_is_a_problem_like_any_other(key: str, text: str, rule: str) -> None:
    (problem,) = _problems(**{key: text})
    assert problem.startswith(f"{key} is {text[:100]!r}"[:100])
    assert problem.endswith(f": {rule}. {_fix(key)}")


def test_no_command_sets_a_list_as_a_whole() -> None:
    assert _problems(topicArns="[broken") == [
        "topicArns is '[broken': it must be a list of ARNs of SNS topics. "
        "Fix: edit Pulumi.prod.yaml"
    ]


def test_a_value_that_is_not_text_is_shown_as_it_was_read() -> None:
    assert _problems(batchSize="0", protectData="1") == [
        f"batchSize is 0: {WHOLE}. {_fix('batchSize')}",
        f"protectData is 1: {BOOLEAN}. {_fix('protectData')}",
    ]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [each for each in BROKEN if isinstance(each[1], str) and each[1] not in ("10", "true")],
)
def test_the_rules_are_the_arguments_rules(key: str, value: str, rule: str) -> None:
    name = to_camel(key)
    (problem,) = _problems(**{name: value})
    for other in ("key_attribute", "version_attribute"):
        rule = rule.replace(other, to_camel(other))
    assert problem.startswith(f"{name} is ")
    fix = "Fix: edit Pulumi.prod.yaml" if key in ("topic_arns", "rule_arns") else _fix(name)
    assert problem.endswith(f": {rule}. {fix}")


def test_a_rule_between_keys_names_the_other_as_the_config_does() -> None:
    assert _problems(batchSize="11") == [
        f"batchWindowSeconds is 0: a batchSize above 10 needs 1 or more. "
        f"{_fix('batchWindowSeconds')}"
    ]


def test_each_item_of_a_list_that_is_wrong_is_named_by_its_place() -> None:
    assert _problems(topicArns=json.dumps(["events", TOPIC_OF_EVENTS, 3])) == [
        f"topicArns[{place}] is {value!r}: it must be the ARN of an SNS topic. "
        f"Fix: pulumi config set --stack prod --path 'topicArns[{place}]' VALUE"
        for place, value in ((0, "events"), (2, 3))
    ]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("batchsize", "; the nearest one is batchSize"),
        ("kmsKey", "; the nearest one is kmsKeyArn"),
        ("queue_name", "; the nearest one is queueName"),
        ("senderArns", ""),
        ("oops", ""),
    ],
)
def test_an_unknown_key_is_reported_with_a_known_one_that_is_near(key: str, hint: str) -> None:
    assert _problems(**{key: "1"}) == [
        f"{key} is no key of EventState{hint}. Fix: pulumi config rm --stack prod {key}"
    ]


def test_every_problem_is_reported_at_once() -> None:
    problems = _problems(
        batchSize="ten", protectData="yes", queueName="a b", kmsKeyArn="alias/x", nonsense="1"
    )
    assert [line.split(" is ")[0] for line in problems] == [
        *("queueName", "batchSize", "protectData", "kmsKeyArn", "nonsense"),
    ]


def test_a_key_that_is_not_set_is_the_programs_default() -> None:
    assert _load(stack_with("prod"))["queue_name"] == "pattern"
    assert _load(stack_with("prod", queueName="mine"))["queue_name"] == "mine"


def test_with_bad_config_nothing_is_registered() -> None:
    class Refuse(Mocks):
        def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
            raise AssertionError(args.name)

        def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
            raise NotImplementedError

    with pytest.raises(ToolError, match=r"^1 problem in the config of stack 'prod'"):
        run(stack_with("prod", batchSize="0"), Refuse())


def test_the_projects_name_is_anybodys() -> None:
    """`pulumi new` makes a project of another name, and the CLI reads its keys under that one."""
    ours = stack_with("prod", batchSize="7")
    config = {
        key.replace(f"{ours.project}:", "theirs:"): value for key, value in ours.config.items()
    }
    theirs = replace(ours, project="theirs", config={**config, "another:foreign": "1"})
    assert _load(theirs) == _load(ours)
