"""A stack's config as the program will see it, and what the program registers for it."""

import json
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.preview import preview, show, to_json
from tools.stacks import PROJECT, Stack, load_stack


def _load(folder: Path, stack_file: str) -> Stack:
    (folder / "Pulumi.yaml").write_text("name: shop\n")
    (folder / "Pulumi.test.yaml").write_text(stack_file, "utf-8")
    return load_stack("test", folder)


def test_every_value_is_text_and_a_key_without_a_namespace_is_the_projects(tmp_path: Path) -> None:
    stack = _load(
        tmp_path,
        "encryptionsalt: v1:abc=\n"  # as `pulumi stack init` with a passphrase leaves it
        "config: {aws:region: eu-west-1, shop:size: 4, label: '007', other:k: [1, é],"
        " aws:defaultTags: {tags: {team: a}}}",
    )
    assert (stack.name, stack.project, stack.region) == ("test", "shop", "eu-west-1")
    assert stack.default_tags == {"team": "a"}
    assert stack.with_config({"wide": True, "aws:region": "eu-west-2"}).config == {
        "shop:size": "4",
        "shop:wide": "true",
        "shop:label": "007",
        "aws:region": "eu-west-2",
        "aws:defaultTags": '{"tags":{"team":"a"}}',
        "other:k": '[1,"é"]',
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [", "Pulumi.test.yaml is not YAML: "),
        ("[a]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
        ("config: [a]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
        (
            "config: {shop:label: {secure: AAA=}}",
            "Pulumi.test.yaml: shop:label is encrypted, and only Pulumi can decrypt it.",
        ),
        ("{}", "Pulumi.test.yaml: aws:region is not set; every stack names its region."),
        ("config: {aws:region: moon}", "aws:region is 'moon', and no AWS partition has a region"),
    ],
)
def test_a_file_that_is_no_stack_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ToolError) as raised:
        _ = _load(tmp_path, text).partition
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("file", sorted(PROJECT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_each_stack_of_this_project_tags_what_it_makes(file: Path) -> None:
    tags = load_stack(file.name.split(".")[1]).default_tags
    assert tags["stack"] == file.name.split(".")[1]
    assert tags.keys() == {"project", "stack", "managed-by"}


def test_the_json_has_every_resource_with_inputs_parent_and_dependencies() -> None:
    stack = load_stack("dev")
    run = preview(stack)
    found = json.loads(to_json(run))
    assert found["outputs"] == run.outputs
    assert [each["urn"] for each in found["resources"]] == [each.urn for each in run.resources]
    by_name = {each["name"]: each for each in found["resources"]}
    urn = f"urn:pulumi:dev::{stack.project}::event-state:index:EventState"
    table = by_name["event-state-table"]
    assert table.pop("inputs")["attributes"] == [{"name": "event_id", "type": "S"}]
    assert table == {
        "urn": f"{urn}$aws:dynamodb/table:Table::event-state-table",
        "type": "aws:dynamodb/table:Table",
        "name": "event-state-table",
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
