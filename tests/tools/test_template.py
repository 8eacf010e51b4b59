"""The template: real AWS would take it, and it says all that the program registers."""

import json
import re
from collections.abc import Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import pytest
from cfnlint import lint
from cfnlint.config import ManualArgs

from tests.infra.registered import EVERYTHING, VARIANTS, stack_with, variant
from tools.errors import ToolError
from tools.preview import Resource
from tools.stacks import Stack, load_stack
from tools.template import make_template, references_in

# Of four partitions.
REGIONS: Final = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"]
PARTS: Final = {
    "aws:iam/rolePolicy:RolePolicy": "EventStateRole",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "EventStateDeadLetterQueue",
}


@cache
def _text(name: str) -> str:
    stack, config = VARIANTS[name]
    return json.dumps(make_template(stack_with(stack, **config)).body)


def _body(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(_text(name))
    return body


def _found_by_cfn_lint(body: Mapping[str, Any]) -> list[str]:
    rules = ManualArgs(include_checks=["I"], regions=REGIONS)
    found = lint(json.dumps(body), config=rules)
    return [f"{each.rule.id} {each.path} {each.message}" for each in found]


def _home(resource: Resource) -> str:
    """Return where the resource stands in the template."""
    words = resource.name.split("-")
    return PARTS.get(resource.type, "".join(word.capitalize() for word in words))


@pytest.mark.parametrize("name", VARIANTS)
def test_cfn_lint_finds_nothing_in_any_region(name: str) -> None:
    assert _found_by_cfn_lint(_body(name)) == []


def test_cfn_lint_finds_a_property_that_no_resource_has_and_a_value_out_of_range() -> None:
    body = _body("dev")
    body["Resources"]["EventStateQueue"]["Properties"] |= {"Nonsense": 1}
    body["Resources"]["EventStateTable"]["Properties"]["BillingMode"] = "FREE"
    found = " ".join(_found_by_cfn_lint(body))
    assert "'Nonsense'" in found
    assert "'FREE'" in found


@pytest.mark.parametrize("name", VARIANTS)
def test_every_dependency_that_pulumi_registers_is_there_once_and_in_no_circle(name: str) -> None:
    body = _body(name)
    resources = body["Resources"]
    registered = {
        each.urn: each for each in variant(name).run.resources if ":index:" not in each.type
    }
    assert {_home(each) for each in registered.values()} == resources.keys()
    graph = {}
    for logical_id, resource in resources.items():
        referred = {each for each in references_in(resource["Properties"]) if "::" not in each}
        waited = {*resource.get("DependsOn", [])}
        assert referred <= body["Parameters"].keys() | resources.keys()
        assert referred.isdisjoint(waited)
        graph[logical_id] = referred | waited
    assert [*TopologicalSorter(graph).static_order()]
    for each in registered.values():
        # The dead-letter queue names its source, which refers to it: more would be a circle.
        if each.type != "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy":
            needed = {_home(registered[urn]) for urn in each.dependencies}
            assert needed <= graph[_home(each)] | {_home(each)}, each.name


@pytest.mark.parametrize("name", VARIANTS)
def test_no_account_region_or_url_is_written_out_but_those_of_the_config(name: str) -> None:
    text = _text(name)
    for value in VARIANTS[name][1].values():
        for given in re.findall(r"arn:[^\"]+", value):
            text = text.replace(given, "")
    found = r"\d{12}|us-east-1|arn:aws:|amazonaws\.com/|https://sqs|region-of|name-of"
    assert not re.search(found, text)


def test_what_is_protected_is_retained() -> None:
    resources = _body("prod")["Resources"]
    retained = {
        name
        for name, each in resources.items()
        if (each["DeletionPolicy"], each["UpdateReplacePolicy"]) == ("Retain", "Retain")
    }
    registered = variant("prod").run.resources
    assert retained == {_home(each) for each in registered if each.protect}
    assert {"EventStateTable", "EventStateQueue", "EventStateDeadLetterQueue"} <= retained


def test_what_takes_tags_has_the_default_ones() -> None:
    tags = [{"Key": k, "Value": v} for k, v in load_stack("prod").default_tags.items()]
    untagged = {
        each["Type"]
        for each in _body(EVERYTHING)["Resources"].values()
        if each["Properties"].get("Tags") != tags
    }
    assert untagged == {
        "AWS::CloudWatch::Dashboard",
        "AWS::SNS::Subscription",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }


def test_the_role_has_its_one_policy_inline_and_the_queue_of_dead_letters_its_source() -> None:
    resources = _body("prod")["Resources"]
    (policy,) = resources["EventStateRole"]["Properties"]["Policies"]
    arns = {each["Sid"]: each["Resource"] for each in policy["PolicyDocument"]["Statement"]}
    place = "${AWS::Region}:${AWS::AccountId}"
    group = f"arn:${{AWS::Partition}}:logs:{place}:log-group:${{EventStateLogGroup}}:*"
    assert arns["PutItems"] == {"Fn::GetAtt": ["EventStateTable", "Arn"]}
    assert arns["WriteLogs"] == {"Fn::Sub": group}
    source = f"arn:${{AWS::Partition}}:sqs:{place}:event-state-queue"
    assert resources["EventStateDeadLetterQueue"]["Properties"]["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [{"Fn::Sub": source}],
    }
    assert resources["EventStateQueue"]["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["EventStateDeadLetterQueue", "Arn"]},
        "maxReceiveCount": variant("prod").inputs("queue")["redrivePolicy"]["maxReceiveCount"],
    }


def test_a_text_of_the_config_is_no_reference_whatever_it_looks_like() -> None:
    odd = "${EventStateQueue.Arn} in us-east-1, 123456789012"
    body = make_template(stack_with("dev", versionAttribute=odd)).body
    variables = body["Resources"]["EventStateFunction"]["Properties"]["Environment"]["Variables"]
    assert variables == {
        "TABLE_NAME": {"Ref": "EventStateTable"},
        "KEY_ATTRIBUTE": "event_id",
        "VERSION_ATTRIBUTE": odd,
    }
    assert body["Outputs"]["versionAttribute"] == {"Value": odd}


def test_a_type_that_it_does_not_know_is_refused_by_name(tmp_path: Path) -> None:
    code = 'from pulumi_aws import kinesis\nkinesis.Stream("stream")\n'
    (tmp_path / "__main__.py").write_text(code)
    stack = Stack(name="test", project="other", config={"aws:region": "us-east-1"})
    with pytest.raises(ToolError) as raised:
        make_template(stack, tmp_path)
    assert str(raised.value) == (
        "The template does not know aws:kinesis/stream:Stream (resource 'stream'): "
        "teach it in tools/cloudformation.py."
    )
