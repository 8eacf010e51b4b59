"""The stack's config: how its text is read, and the message on every mistake with its fix."""

import contextvars
import json
import re
from dataclasses import replace
from typing import Any, Final

import pulumi
import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pydantic.alias_generators import to_camel

from infra.config import load_arguments
from tests.infra.registered import RULE, TOPIC_OF_EVENTS, stack_with
from tests.infra.test_settings import BETWEEN, KEYS
from tools.errors import ToolError
from tools.program import run
from tools.stacks import Stack

WHOLE: Final = "a whole number from 1 to 10000"
BOOLEAN: Final = "true or false"
LISTS: Final = ("topicArns", "ruleArns")
# What in the tables of the arguments' tests is text, and is wrong as text, too.
TEXTS: Final = [
    (to_camel(key), value, rule)
    for key, (_, rule, broken, _) in KEYS.items()
    for value in broken
    if isinstance(value, str) and value not in ("10", "true")
]


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


def _fix(key: str) -> str:
    if key in LISTS:  # no command sets one as a whole
        return "Fix: edit Pulumi.prod.yaml"
    where = f"--path '{key}'" if "[" in key else key
    return f"Fix: pulumi config set --stack prod {where} VALUE"


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
        *TEXTS,
        *(
            ("batchSize", text, WHOLE)
            # A digit, but none of Go's, and more of them than Python reads.
            for text in ("ten", "1.5", "1e3", "1_0", " 5", "٣", "9" * 5000, "", '{"a":1}')
        ),
        *(("protectData", text, BOOLEAN) for text in ("True", "")),
        ("topicArns", "[broken", "a list of ARNs of SNS topics"),
    ],
)
def test_what_is_wrong_is_said_with_key_value_rule_and_fix(key: str, text: str, rule: str) -> None:
    (problem,) = _problems(**{key: text})
    assert problem.startswith(f"{key} is {text[:100]!r}"[:100])
    assert problem.endswith(f": it must be {rule}. {_fix(key)}")


def _in_config(text: str) -> str:
    return re.sub(r"\w+", lambda word: to_camel(word[0]) if word[0] in KEYS else word[0], text)


@pytest.mark.parametrize(
    ("args", "problems"),
    [*BETWEEN, ({"batch_size": 0}, [f"batch_size is 0: it must be {WHOLE}"])],
)
def test_what_breaks_a_rule_is_said_as_the_config_spells_it(
    args: dict[str, Any], problems: list[str]
) -> None:
    config = {
        to_camel(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in args.items()
    }
    said = [_in_config(problem) for problem in problems]
    assert _problems(**config) == [f"{each}. {_fix(each.split(' is ')[0])}" for each in said]


def test_an_item_of_a_list_need_not_be_text() -> None:
    assert _problems(topicArns=json.dumps([TOPIC_OF_EVENTS, 3])) == [
        f"topicArns[1] is 3: it must be the ARN of an SNS topic. {_fix('topicArns[1]')}"
    ]


def test_an_unknown_key_is_reported_with_a_known_one_that_is_near() -> None:
    assert _problems(queue_name="1", senderArns="1", batchSize="0") == [
        f"batchSize is 0: it must be {WHOLE}. {_fix('batchSize')}",
        "queue_name is no key of EventState; the nearest one is queueName. "
        "Fix: pulumi config rm --stack prod queue_name",
        "senderArns is no key of EventState. Fix: pulumi config rm --stack prod senderArns",
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
