"""The component in somebody else's program: Outputs, options, regions, and Pulumi's host for it."""

import gc
import json
import re
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pulumi
import pytest
from pydantic.alias_generators import to_camel

from tests.infra.registered import KEY
from tests.infra.test_settings import KEYS
from tools.preview import Preview, Run, run
from tools.stacks import PROJECT, Stack

SHOP: Final = Stack(name="test", project="shop", config={"aws:region": "us-east-1"})
HOST: Final = PROJECT / "component" / "__main__.py"
EXAMPLE: Final = (PROJECT / "component" / "README.md").read_text("utf-8")
BEGIN: Final = "import pulumi, pulumi_aws, runpy\nfrom infra.event_state import EventState\n"

Make = Callable[[str], Run]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Run a program."""

    def made(program: str) -> Run:
        (tmp_path / "__main__.py").write_text(BEGIN + program, "utf-8")
        return run(SHOP, Preview(SHOP), tmp_path)

    yield made
    # Let go, within the test, of the task of Pulumi's that nobody asks how it failed.
    gc.collect()


def _inputs(found: Run) -> dict[str, dict[str, Any]]:
    """Return the inputs of each resource, but the archive."""
    return {
        each.name: {key: value for key, value in each.inputs.items() if key != "code"}
        for each in found.resources
    }


def test_the_python_example_gives_one_component_the_programs_own_topics(make: Make) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", EXAMPLE, re.S)
    found = make(code)
    place = "arn:aws:sns:us-east-1:123456789012"
    (allow, _) = json.loads(_inputs(found)["orders-queue-policy"]["policy"])["Statement"]
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": [f"{place}:placed"]}}
    assert _inputs(found)["orders-alarm-dead-letters"]["alarmActions"] == [f"{place}:pager"]
    assert _inputs(found)["users-alarm-dead-letters"]["alarmActions"] == []
    assert _inputs(found)["orders-table"]["hashKey"] == "order_id"
    queues = "https://sqs.us-east-1.amazonaws.com/123456789012"
    assert found.outputs == {
        "ordersQueueUrl": f"{queues}/orders-test",
        "ordersTableName": "orders-test",
        "usersQueueUrl": f"{queues}/users-test",
        "usersTableName": "users-test",
    }


def test_the_key_may_be_another_resources_output(make: Make) -> None:
    output = make(f"EventState('orders', {{'kms_key_arn': pulumi.Output.from_input({KEY!r})}})")
    assert _inputs(output)["orders-queue"]["kmsMasterKeyId"] == KEY
    assert _inputs(output) == _inputs(make(f"EventState('orders', {{'kms_key_arn': {KEY!r}}})"))


@pytest.mark.parametrize("protect", [True, False, None])
def test_protect_reaches_everything_and_nothing_undoes_it(make: Make, protect: bool | None) -> None:
    found = make(f"EventState('orders', {{}}, pulumi.ResourceOptions(protect={protect}))")
    assert {each.protect for each in found.resources} == {bool(protect)}


def test_a_provider_reaches_everything(make: Make) -> None:
    found = make(
        "elsewhere = pulumi_aws.Provider('elsewhere', region='eu-west-1')\n"
        "EventState('orders', {}, pulumi.ResourceOptions(provider=elsewhere))"
    )
    made = [each for each in found.resources if each.type.startswith("aws:")]
    assert {each.provider.split("::")[-2] for each in made} == {"elsewhere"}


def _topics(count: int, kind: str = "{!r}") -> str:
    """Write a list of topics of 37 characters each: SQS takes 8,192 of a policy."""
    arns = (f"arn:aws:sns:us-east-1:123456789012:{number:02x}" for number in range(count))
    return f"[{', '.join(kind.format(arn) for arn in arns)}]"


def test_all_the_topics_that_fit_are_let_in(make: Make) -> None:
    """The topics of one program that made a policy of 8,350 characters once."""
    found = make(f"EventState('orders', {{'queue_name': 'q' * 76, 'topic_arns': {_topics(183)}}})")
    policy = _inputs(found)["orders-queue-policy"]["policy"]
    assert len(json.loads(policy)["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]) == 183
    assert 7800 < len(policy) <= 8192


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        (
            _topics(250),
            r"^1 problem in the arguments of EventState 'orders'; nothing was made:\n"
            r"  - rule_arns is \[\]: with it and topic_arns the queue's policy would have \d+ "
            r"characters, and SQS takes 8192: name fewer topics and rules$",
        ),
        (_topics(250, "pulumi.Output.from_input({!r})"), "the queue's policy would have 10"),
        ("[pulumi.Output.from_input('x')]", r"topic_arns is 'x': it must be the ARN of an SNS"),
    ],
    ids=["too many", "too many Outputs", "an Output that is none"],
)
def test_what_is_wrong_is_refused_and_of_outputs_when_it_is_known(
    make: Make, topics: str, said: str
) -> None:
    with pytest.raises(Exception, match=said):
        make(f"EventState('orders', {{'topic_arns': {topics}}})")


def test_what_is_shipped_is_each_source_file_of_the_function_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever folder the program runs in, for it may be somebody else's."""
    monkeypatch.chdir(tmp_path)
    for room in ("function", "infra"):
        shutil.copytree(PROJECT / room, tmp_path / "clone" / room)
    (tmp_path / "clone/function/__pycache__").mkdir(exist_ok=True)
    (tmp_path / "clone/function/__pycache__/handler.cpython-311.pyc").write_bytes(b"0")
    (tmp_path / "clone/function/notes.txt").write_text("not a source")
    archive = runpy.run_path("clone/infra/function.py")["source_archive"]()
    # Under these names alone, with which the engine hashes the contents: two clones give one hash.
    assert {name: Path(asset.path).resolve() for name, asset in archive.assets.items()} == {
        f"function/{path.name}": tmp_path / "clone" / "function" / path.name
        for path in PROJECT.glob("function/*.py")
    }


# --- The package for other languages.


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Load component/__main__.py as Pulumi's plugin host does, but serve nothing."""
    provider = runpy.run_path(str(HOST))["Provider"]()
    (found,) = json.loads(str(provider.schema))["resources"].values()
    described: dict[str, Any] = found
    return described


def test_the_schema_describes_every_key_and_requires_none(schema: dict[str, Any]) -> None:
    inputs, outputs = schema["inputProperties"], schema["properties"]
    assert inputs.keys() == {to_camel(key) for key in KEYS}
    assert not schema.get("requiredInputs")
    assert outputs.keys() - schema["required"] == {"tableStreamArn"}
    for each in (schema, *inputs.values(), *outputs.values()):
        assert re.fullmatch(r"[^\s].+\.", each["description"])
    # What may be an Output is no plain value.
    arns = {"kmsKeyArn", "alarmTopicArn", "permissionsBoundaryArn"}
    assert {key for key, each in inputs.items() if not each.get("plain")} == arns
    assert not [key for key in ("topicArns", "ruleArns") if "plain" in inputs[key]["items"]]


def test_each_description_ends_with_the_default(schema: dict[str, Any]) -> None:
    inputs = schema["inputProperties"]
    told = {key: inputs[to_camel(key)]["description"].rpartition("Default: ")[2] for key in KEYS}
    defaults = {key: default for key, (default, *_) in KEYS.items()}
    assert told == {
        **{key: json.dumps(default).strip('"') + "." for key, default in defaults.items()},
        **{key: "none." for key, default in defaults.items() if default in (None, [])},
        "table_name": "NAME-STACK.",
        "function_name": "NAME-STACK.",
        "queue_name": "the component's and the stack's name, NAME-STACK.",
        "maximum_concurrency": "no limit but the account's.",
        "max_receive_count": "5, and 30 with managed retries.",
        "kms_key_arn": "AWS's own keys.",
    }


def _hosted(inputs: dict[str, Any]) -> str:
    return (
        f"provider = runpy.run_path({str(HOST)!r})['Provider']()\n"
        f"made = provider.construct('orders', 'event-state:index:EventState', {inputs!r})\n"
        "for key, value in made.state.items(): pulumi.export(key, value)"
    )


def test_the_host_makes_the_component_of_camel_case_and_doubles(make: Make) -> None:
    found = make(_hosted({"batchSize": 7.0, "keyAttribute": "order_id", "alarmEmail": None}))
    assert _inputs(found)["orders-event-source-mapping"]["batchSize"] == 7
    assert found.outputs["keyAttribute"] == "order_id"
    assert found.outputs["queueArn"] == "arn:aws:sqs:us-east-1:123456789012:orders-test"
    assert "tableStreamArn" not in found.outputs


def test_the_host_says_all_that_is_wrong_in_one_message_and_in_camel_case(make: Make) -> None:
    with pytest.raises(pulumi.InputPropertiesError) as error:
        make(_hosted({"batchSize": "ten", "batchWindowSeconds": 301.0, "nonsense": 1.0}))
    assert str(error.value.message).split("\n  - ")[1:] == [
        "batchSize is 'ten': it must be a whole number from 1 to 10000",
        "batchWindowSeconds is 301: it must be a whole number from 0 to 300",
        "nonsense is no key of EventState",
    ]
