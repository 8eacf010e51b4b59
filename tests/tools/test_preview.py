"""The preview: its JSON, and its tree."""

import json

import pytest

from tools.preview import preview, show, to_json
from tools.stacks import PROJECT, load_stack


def test_the_json_has_every_resource_with_inputs_parent_and_dependencies() -> None:
    stack = load_stack("dev")
    run = preview(stack)
    found = json.loads(to_json(run))
    assert found["outputs"] == run.outputs
    assert [each["urn"] for each in found["resources"]] == [each.urn for each in run.resources]
    by_name = {each["name"]: each for each in found["resources"]}
    urn = f"urn:pulumi:dev::{stack.project}::event-state:index:EventState"
    assert by_name["event-state-table"] == {
        "urn": f"{urn}$aws:dynamodb/table:Table::event-state-table",
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
        "parent": f"{urn}::event-state",
        "dependencies": [],
        "protect": False,
    }
    assets = by_name["event-state-function"]["inputs"]["code"]["assets"]
    assert assets["function/handler.py"] == {"path": str(PROJECT / "function/handler.py")}


def test_people_see_a_line_for_each_resource_and_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack = load_stack("prod")
    run = preview(stack)
    show(stack, run)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    table = ["event-state-table", "aws:dynamodb/table:Table", "event-state-target-table"]
    assert [*table, "protected"] in lines
    made = {(each.name, each.type) for each in run.resources if each.type.startswith("aws:")}
    assert {(line[0], line[1]) for line in lines if len(line) > 1} >= made | {*run.outputs.items()}
