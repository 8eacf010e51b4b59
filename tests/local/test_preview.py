"""The preview: its JSON, and the diagram that the README shows."""

import json
import re

from local.preview import as_json, as_mermaid, preview
from local.stacks import PROJECT, load_stack

FLOW = """\
    producers([producers]) --> queue --> event_source_mapping
    event_source_mapping -->|batches| function
    function -->|PutItem| table
    function -->|log lines, counts| log_group
    role -.-|permits| function
    queue -->|after maxReceiveCount| dead_letter_queue
    queue -.-> alarms
    dead_letter_queue -.-> alarms
    function -.-> alarms
    table -.-> alarms
    alarms -.-> dashboard"""


def test_the_diagram_shows_the_flow_and_names_every_resource() -> None:
    run = preview(load_stack("prod"))
    first, *lines = as_mermaid(run).split("\n")
    assert first == "flowchart LR"
    boxes = [line for line in lines if line.endswith(("]", ")"))]
    assert sorted(set(lines) - set(boxes)) == sorted(FLOW.split("\n"))
    words = re.findall(r"<[bi]>([a-z-]+)<", " ".join(boxes))
    assert sorted(words) == sorted(
        [
            *("dashboard", "log-group", "table", "event-source-mapping", "function"),
            *("role", "policy"),
            *("queue", "policy"),
            *("dead-letter-queue", "policy", "redrive-allow"),
            *("alarms", "dead-letters", "oldest-message", "rejected-messages"),
            *("function-duration", "function-errors", "function-throttles"),
            *("table-errors", "table-throttles"),
        ]
    )


def test_the_readme_shows_the_diagram_of_the_program_as_it_is() -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    block = readme.split("<!-- diagram: begin -->")[1].split("<!-- diagram: end -->")[0]
    diagram = as_mermaid(preview(load_stack("prod")))
    assert block.strip() == f"```mermaid\n{diagram}\n```", (
        "README.md shows another program: put in the output of "
        "python -m local preview --stack prod --mermaid"
    )


def test_the_json_has_every_resource_with_inputs_parent_and_dependencies() -> None:
    run = preview(load_stack("dev"))
    found = json.loads(as_json(run))
    assert found["outputs"] == run.outputs
    assert [each["urn"] for each in found["resources"]] == [each.urn for each in run.resources]
    table = next(each for each in found["resources"] if each["name"] == "table")
    component = "urn:pulumi:dev::event-state::event-state:index:EventState::event-state"
    assert table == {
        "urn": "urn:pulumi:dev::event-state::event-state:index:EventState$aws:dynamodb/table:Table"
        "::table",
        "type": "aws:dynamodb/table:Table",
        "name": "table",
        "inputs": {
            "name": "event-state-target-table-dev",
            "billingMode": "PAY_PER_REQUEST",
            "attributes": [{"name": "event_id", "type": "S"}],
            "hashKey": "event_id",
            "deletionProtectionEnabled": False,
            "pointInTimeRecovery": {"enabled": True},
        },
        "parent": component,
        "dependencies": [],
        "protect": False,
    }
    function = next(each for each in found["resources"] if each["name"] == "function")
    assert function["inputs"]["code"]["assets"]["function/handler.py"] == {
        "path": "function/handler.py"
    }
