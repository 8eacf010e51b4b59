"""The component in somebody else's program: Outputs, options, regions, and Pulumi's host for it."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any, Final

import pulumi
import pytest
from pulumi.provider.experimental.component import ComponentProvider
from pydantic.alias_generators import to_camel

from infra.settings import Settings
from tests.infra.registered import KEY, stack_with
from tools.errors import ToolError
from tools.preview import Preview, preview
from tools.program import Run, run
from tools.stacks import PROJECT, Stack

SHOP: Final = Stack(name="test", project="shop", config={"aws:region": "us-east-1"})
EXAMPLE: Final = (PROJECT / "component" / "README.md").read_text("utf-8")
BEGIN: Final = "import pulumi\nfrom infra.event_state import EventState\n"


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
    names = {each.inputs["name"] for each in found.resources if "name" in each.inputs}
    assert {name for name in names if "alarm" not in name and name.count("-") == 1} == {
        *("orders-test", "/aws/lambda/orders-test"),
    }
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


def test_a_mistake_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    """Five keys, two of a wrong type; a ToolError here is a pulumi.RunError in the program."""
    args = {
        "batch_size": "ten",
        "batch_window_seconds": 301,
        "protect_data": "yes",
        "kms_key_arn": "alias/x",
        "queue_name": "a b",
    }
    with pytest.raises(ToolError) as error:
        _component(tmp_path, repr(args))
    head, *lines = str(error.value).split("\n  - ")
    assert head == "5 problems in the arguments of EventState 'orders'; nothing was made:"
    assert lines == [
        'queue_name is \'a b\': it must be 1-76 letters, digits, "-" or "_" (SQS: 80 with "-dlq")',
        "batch_size is 'ten': it must be a whole number from 1 to 10000",
        "batch_window_seconds is 301: it must be a whole number from 0 to 300",
        "protect_data is 'yes': it must be true or false",
        "kms_key_arn is 'alias/x': it must be the ARN of a KMS key (arn:aws:kms:...:key/ID)",
    ]


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


def test_more_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as error:
        _component(tmp_path, f"{{'topic_arns': {_topics(250)}}}")
    assert re.fullmatch(
        r"1 problem in the arguments of EventState 'orders'; nothing was made:\n"
        r"  - rule_arns is \[\]: with it and topic_arns the queue's policy would have \d+ "
        r"characters, and SQS takes 8192: name fewer topics and rules",
        str(error.value),
    )


def test_outputs_are_counted_when_they_are_known(tmp_path: Path) -> None:
    topics = _topics(250, "pulumi.Output.from_input({!r})")
    with pytest.raises(Exception, match="the queue's policy would have 10"):
        _component(tmp_path, f"{{'topic_arns': {topics}}}")


# --- Where the provider is.


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("us-east-1", "https://us-east-1.console.aws.amazon.com"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "https://eusc-de-east-1.console.amazonaws-eusc.eu"),
    ],
)
def test_region_and_partition_are_those_of_what_the_provider_made(
    region: str, console: str
) -> None:
    found = preview(stack_with("prod", aws__region=region))
    assert found.outputs["dashboardUrl"] == (
        f"{console}/cloudwatch/home?region={region}#dashboards/dashboard/EventUpsertLambda-{region}"
    )
    body = json.loads(_inputs(found, "event-state-dashboard")["dashboardBody"])
    assert {each["properties"].get("region", region) for each in body["widgets"]} == {region}


# --- The package for other languages.


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ComponentProvider:
    """Load component/__main__.py as Pulumi's plugin host does, but serve nothing."""
    monkeypatch.syspath_prepend(str(PROJECT))
    path = PROJECT / "component" / "__main__.py"
    spec = importlib.util.spec_from_file_location("component_main", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    provider = module.Provider()
    assert isinstance(provider, ComponentProvider)
    return provider


def test_the_schema_describes_every_key_and_requires_none(host: ComponentProvider) -> None:
    (schema,) = json.loads(str(host.schema))["resources"].values()
    assert schema["inputProperties"].keys() == {to_camel(key) for key in Settings.model_fields}
    assert not schema.get("requiredInputs")
    described = {**schema["inputProperties"], **schema["properties"]}
    for key, each in [*described.items(), ("EventState", schema)]:
        assert re.fullmatch(r"[^\s].+\.", each["description"]), key
    assert {key for key in schema["properties"] if key not in schema["required"]} == {
        "tableStreamArn"
    }


def test_each_description_ends_with_the_default(host: ComponentProvider) -> None:
    (schema,) = json.loads(str(host.schema))["resources"].values()
    unset = {"maximumConcurrency": "no limit but the account's", "kmsKeyArn": "AWS's own keys"}
    for key, field in Settings.model_fields.items():
        name, default = to_camel(key), field.default
        said = schema["inputProperties"][name]["description"].rpartition("Default: ")[2]
        if key == "max_receive_count":
            assert said == "5, and 30 with managed retries."
        elif key == "version_attribute":
            assert said == "timestamp."
        elif field.is_required():
            assert "NAME-STACK" in said
        elif default is None or default == []:
            assert said == f"{unset.get(name, 'none')}."
        else:
            assert said == f"{json.dumps(default).strip(chr(34))}."


def test_what_may_be_an_output_is_no_plain_value(host: ComponentProvider) -> None:
    (schema,) = json.loads(str(host.schema))["resources"].values()
    inputs = {key for key, each in schema["inputProperties"].items() if not each.get("plain")}
    assert inputs == {"kmsKeyArn", "alarmTopicArn", "permissionsBoundaryArn"}
    for key in ("topicArns", "ruleArns"):
        assert "plain" not in schema["inputProperties"][key]["items"]


HOSTED: Final = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("component_main", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
made = module.Provider().construct("orders", "event-state:index:EventState", {inputs!r})
import pulumi
for key, value in made.state.items():
    pulumi.export(key, value)
"""


def _hosted(folder: Path, inputs: dict[str, Any]) -> Run:
    path = str(PROJECT / "component" / "__main__.py")
    return _run(folder, HOSTED.format(path=path, inputs=inputs))


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
