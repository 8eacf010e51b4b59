"""The preview: its JSON, and its tree."""

import json
import re

import pytest

from tools.preview import preview, show, to_json
from tools.stacks import PROJECT, load_stack


def test_the_json_has_every_resource_with_inputs_parent_and_dependencies() -> None:
    run = preview(load_stack("dev"))
    found = json.loads(to_json(run))
    assert found["outputs"] == run.outputs
    assert [each["urn"] for each in found["resources"]] == [each.urn for each in run.resources]
    table = next(each for each in found["resources"] if each["name"] == "event-state-table")
    project = load_stack("dev").project
    component = f"urn:pulumi:dev::{project}::event-state:index:EventState::event-state"
    assert table == {
        "urn": f"urn:pulumi:dev::{project}::event-state:index:EventState$aws:dynamodb/table:Table"
        "::event-state-table",
        "type": "aws:dynamodb/table:Table",
        "name": "event-state-table",
        "inputs": {
            "name": "event-state-target-table-dev",
            "billingMode": "PAY_PER_REQUEST",
            "attributes": [{"name": "event_id", "type": "S"}],
            "hashKey": "event_id",
            "deletionProtectionEnabled": False,
            "pointInTimeRecovery": {"enabled": True},
            "serverSideEncryption": {"enabled": False},
            "streamEnabled": False,
            "ttl": {"enabled": False},
        },
        "parent": component,
        "dependencies": [],
        "protect": False,
    }
    function = next(each for each in found["resources"] if each["name"] == "event-state-function")
    assert function["inputs"]["code"]["assets"]["function/handler.py"] == {
        "path": str(PROJECT / "function/handler.py")
    }


def test_the_tree_has_every_resource_below_the_component(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack = load_stack("prod")
    run = preview(stack)
    show(stack, run, as_json=False)
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{stack.project}-prod  {stack.region}"
    assert second == "├── event-state  event-state:index:EventState"
    for each in (each for each in run.resources if each.type.startswith("aws:")):
        row = rf"│   [├└]── {each.name}  {re.escape(each.type)}\b"
        assert any(re.match(row, line) for line in lines), each.urn
    assert any(line.endswith("event-state-target-table  protected") for line in lines)
