"""The component in somebody else's program: Outputs, options, regions, and Pulumi's host for it."""

import gc
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pulumi
import pytest
from pydantic.alias_generators import to_camel

from tests.infra.registered import KEY, stack_with
from tests.infra.test_settings import KEYS
from tools.preview import Preview, Run, preview, run
from tools.stacks import PROJECT, Stack

SHOP: Final = Stack(name="test", project="shop", config={"aws:region": "us-east-1"})
HOST: Final = PROJECT / "component" / "__main__.py"
EXAMPLE: Final = (PROJECT / "component" / "README.md").read_text("utf-8")
BEGIN: Final = "import pulumi\nfrom infra.event_state import EventState\n"


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let go, within the test, of the task of Pulumi's that nobody asks how it failed."""
    yield
    gc.collect()


def _run(folder: Path, program: str) -> Run:
    (folder / "__main__.py").write_text(program, "utf-8")
    return run(SHOP, Preview(SHOP), folder)


def _component(folder: Path, args: str) -> Run:
    return _run(folder, f"{BEGIN}EventState('orders', {args})")


def _inputs(found: Run, name: str) -> dict[str, Any]:
    (inputs,) = (dict(each.inputs) for each in found.resources if each.name == name)
    return inputs


def test_without_arguments_it_is_all_there_and_named_after_itself_and_the_stack(
    tmp_path: Path,
) -> None:
    found = _component(tmp_path, "{}")
    for kind in ("queue", "table", "function"):
        assert _inputs(found, f"orders-{kind}")["name"] == "orders-test"
    assert len(found.resources) == len(preview(stack_with("dev")).resources)


def test_the_python_example_gives_one_component_the_programs_own_topics(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", EXAMPLE, re.S)
    found = _run(tmp_path, code)
    place = "arn:aws:sns:us-east-1:123456789012"
    (allow, _) = json.loads(_inputs(found, "orders-queue-policy")["policy"])["Statement"]
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": [f"{place}:placed"]}}
    assert _inputs(found, "orders-alarm-dead-letters")["alarmActions"] == [f"{place}:pager"]
    assert _inputs(found, "users-alarm-dead-letters")["alarmActions"] == []
    assert _inputs(found, "orders-table")["hashKey"] == "order_id"
    assert found.outputs == {
        f"{name}{kind}": value
        for name in ("orders", "users")
        for kind, value in (
            ("QueueUrl", f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}-test"),
            ("TableName", f"{name}-test"),
        )
    }


def test_the_key_may_be_another_resources_output(tmp_path: Path) -> None:
    found = _component(tmp_path, f"{{'kms_key_arn': pulumi.Output.from_input({KEY!r})}}")
    assert _inputs(found, "orders-queue")["kmsMasterKeyId"] == KEY
    assert _inputs(found, "orders-table")["serverSideEncryption"] == {
        "enabled": True,
        "kmsKeyArn": KEY,
    }
    statements = json.loads(_inputs(found, "orders-role-policy")["policy"])["Statement"]
    assert statements[-1]["Resource"] == KEY


@pytest.mark.parametrize("protect", [True, False, None])
def test_protect_reaches_everything_and_nothing_undoes_it(
    tmp_path: Path, protect: bool | None
) -> None:
    options = f"pulumi.ResourceOptions(protect={protect})"
    found = _run(tmp_path, f"{BEGIN}EventState('orders', {{}}, {options})")
    assert {each.protect for each in found.resources} == {bool(protect)}


def test_a_provider_reaches_everything(tmp_path: Path) -> None:
    found = _run(
        tmp_path,
        f"{BEGIN}import pulumi_aws\n"
        "elsewhere = pulumi_aws.Provider('elsewhere', region='eu-west-1')\n"
        "EventState('orders', {}, pulumi.ResourceOptions(provider=elsewhere))",
    )
    made = [each for each in found.resources if each.type.startswith("aws:")]
    assert {each.provider.split("::")[-2] for each in made} == {"elsewhere"}


def test_what_an_output_gives_is_checked_when_it_is_known(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"topic_arns is 'x': it must be the ARN of an SNS topic"):
        _component(tmp_path, "{'topic_arns': [pulumi.Output.from_input('x')]}")


# --- The queue's policy, of which SQS takes 8,192 characters.


def _topics(count: int, kind: str = "{!r}") -> str:
    """Write a list of topics of 37 characters each."""
    arns = (f"arn:aws:sns:us-east-1:123456789012:{number:02x}" for number in range(count))
    return f"[{', '.join(kind.format(arn) for arn in arns)}]"


def test_all_the_topics_that_fit_are_let_in(tmp_path: Path) -> None:
    """The topics of one program that made a policy of 8,350 characters once."""
    args = f"{{'queue_name': '{'q' * 76}', 'topic_arns': {_topics(183)}}}"
    policy = _inputs(_component(tmp_path, args), "orders-queue-policy")["policy"]
    assert len(json.loads(policy)["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]) == 183
    assert 7800 < len(policy) <= 8192


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (
            "{!r}",
            r"^1 problem in the arguments of EventState 'orders'; nothing was made:\n"
            r"  - rule_arns is \[\]: with it and topic_arns the queue's policy would have \d+ "
            r"characters, and SQS takes 8192: name fewer topics and rules$",
        ),
        ("pulumi.Output.from_input({!r})", "the queue's policy would have 10"),
    ],
)
def test_more_are_refused_and_outputs_when_they_are_known(
    tmp_path: Path, topic: str, said: str
) -> None:
    with pytest.raises(Exception, match=said):
        _component(tmp_path, f"{{'topic_arns': {_topics(250, topic)}}}")


# --- The package for other languages.


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Load component/__main__.py as Pulumi's plugin host does, but serve nothing."""
    provider = runpy.run_path(str(HOST))["Provider"]()
    (found,) = json.loads(str(provider.schema))["resources"].values()
    described: dict[str, Any] = found
    return described


def test_the_schema_describes_every_key_and_requires_none(schema: dict[str, Any]) -> None:
    assert schema["inputProperties"].keys() == {to_camel(key) for key in KEYS}
    assert not schema.get("requiredInputs")
    described = {**schema["inputProperties"], **schema["properties"]}
    for key, each in [*described.items(), ("EventState", schema)]:
        assert re.fullmatch(r"[^\s].+\.", each["description"]), key
    assert schema["properties"].keys() - schema["required"] == {"tableStreamArn"}


def test_each_description_ends_with_the_default(schema: dict[str, Any]) -> None:
    said = {
        key: schema["inputProperties"][to_camel(key)]["description"].rpartition("Default: ")[2]
        for key in KEYS
    }
    names = dict.fromkeys(("table_name", "function_name"), "NAME-STACK.")
    assert said == {
        **{key: json.dumps(default).strip('"') + "." for key, (default, *_) in KEYS.items()},
        **{key: "none." for key, (default, *_) in KEYS.items() if default in (None, [])},
        **names,
        "queue_name": "the component's and the stack's name, NAME-STACK.",
        "maximum_concurrency": "no limit but the account's.",
        "max_receive_count": "5, and 30 with managed retries.",
        "kms_key_arn": "AWS's own keys.",
    }


def test_what_may_be_an_output_is_no_plain_value(schema: dict[str, Any]) -> None:
    inputs = {key for key, each in schema["inputProperties"].items() if not each.get("plain")}
    assert inputs == {"kmsKeyArn", "alarmTopicArn", "permissionsBoundaryArn"}
    for key in ("topicArns", "ruleArns"):
        assert "plain" not in schema["inputProperties"][key]["items"]


def _hosted(folder: Path, inputs: dict[str, Any]) -> Run:
    return _run(
        folder,
        "import pulumi, runpy\n"
        f"provider = runpy.run_path({str(HOST)!r})['Provider']()\n"
        f"made = provider.construct('orders', 'event-state:index:EventState', {inputs!r})\n"
        "for key, value in made.state.items(): pulumi.export(key, value)",
    )


def test_the_host_makes_the_component_of_camel_case_and_doubles(tmp_path: Path) -> None:
    found = _hosted(tmp_path, {"batchSize": 7.0, "keyAttribute": "order_id", "alarmEmail": None})
    assert _inputs(found, "orders-event-source-mapping")["batchSize"] == 7
    assert found.outputs["keyAttribute"] == "order_id"
    assert found.outputs["queueArn"] == "arn:aws:sqs:us-east-1:123456789012:orders-test"
    assert "tableStreamArn" not in found.outputs


def test_the_host_says_all_that_is_wrong_in_one_message_and_in_camel_case(tmp_path: Path) -> None:
    with pytest.raises(pulumi.InputPropertiesError) as error:
        _hosted(tmp_path, {"batchSize": "ten", "batchWindowSeconds": 301.0, "nonsense": 1.0})
    assert str(error.value.message).split("\n  - ")[1:] == [
        "batchSize is 'ten': it must be a whole number from 1 to 10000",
        "batchWindowSeconds is 301: it must be a whole number from 0 to 300",
        "nonsense is no key of EventState",
    ]
