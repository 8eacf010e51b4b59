"""Stack config, read as the Pulumi CLI reads it."""

from pathlib import Path

import pytest

from local.errors import LocalError
from local.stacks import load_stack

PROJECT_FILE = """
name: shop
config:
  size: { type: integer, default: 3 }
  wide: { type: boolean, default: false }
  label: { type: string, default: "" }
  tags: { type: object, default: { a: b } }
  owner: { type: string }
"""


def _project(folder: Path, stack_file: str) -> Path:
    (folder / "Pulumi.yaml").write_text(PROJECT_FILE)
    (folder / "Pulumi.test.yaml").write_text(stack_file)
    return folder


def test_defaults_come_from_the_project_and_values_from_the_stack(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        "config: {aws:region: eu-west-1, shop:size: 4, owner: me, other:key: [1, true]}",
    )
    stack = load_stack("test", project)
    assert (stack.name, stack.project, stack.region) == ("test", "shop", "eu-west-1")
    assert stack.config == {
        "shop:size": "4",
        "shop:wide": "false",
        "shop:label": "",
        "shop:tags": '{"a": "b"}',
        "shop:owner": "me",
        "aws:region": "eu-west-1",
        "other:key": "[1, true]",
    }


def test_default_tags_are_those_of_the_aws_provider(tmp_path: Path) -> None:
    project = _project(
        tmp_path, "config: {aws:region: r, owner: me, aws:defaultTags: {tags: {team: a}}}"
    )
    assert load_stack("test", project).default_tags == {"team": "a"}


def test_a_changed_stack_has_the_new_values_as_text_and_the_old_one_stays(tmp_path: Path) -> None:
    stack = load_stack("test", _project(tmp_path, "config: {aws:region: eu-west-1, owner: me}"))
    changed = stack.with_config({"size": 5, "wide": True, "aws:region": "eu-west-2"})
    assert changed.config == {
        **stack.config,
        "shop:size": "5",
        "shop:wide": "true",
        "aws:region": "eu-west-2",
    }
    assert (changed.region, stack.region) == ("eu-west-2", "eu-west-1")


def test_an_unknown_stack_lists_the_known_ones() -> None:
    with pytest.raises(LocalError) as raised:
        load_stack("production")
    assert str(raised.value) == (
        "There is no stack 'production': Pulumi.production.yaml does not exist. "
        "The stacks are: dev, local, prod."
    )


def test_every_problem_of_the_types_is_named_at_once(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        "config: {shop:size: ten, shop:wide: 1, shop:label: {secure: AAA=}}",
    )
    with pytest.raises(LocalError) as raised:
        load_stack("test", project)
    assert str(raised.value) == (
        "The config of stack 'test' cannot be used; mend Pulumi.test.yaml:\n"
        "  - shop:size is 'ten', but Pulumi.yaml declares its type integer\n"
        "  - shop:wide is 1, but Pulumi.yaml declares its type boolean\n"
        "  - shop:label is encrypted, and only the Pulumi CLI can decrypt it\n"
        "  - shop:owner has no value and no default\n"
        "  - aws:region is not set; every stack names its region"
    )


def test_a_boolean_is_no_integer(tmp_path: Path) -> None:
    project = _project(tmp_path, "config: {aws:region: r, owner: me, size: true}")
    with pytest.raises(LocalError, match=r"shop:size is True, but .* integer"):
        load_stack("test", project)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [", "Pulumi.test.yaml is not YAML: "),
        ("[]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
        ("config: [a]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
    ],
)
def test_a_file_that_is_no_stack_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LocalError) as raised:
        load_stack("test", _project(tmp_path, text))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("name", ["dev", "local", "prod"])
def test_each_stack_of_this_project_tags_what_it_makes(name: str) -> None:
    assert load_stack(name).default_tags == {
        "project": "event-state",
        "stack": name,
        "managed-by": "pulumi",
    }
