"""Stack config, read as the Pulumi CLI reads it."""

from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.stacks import load_stack

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
        "shop:tags": '{"a":"b"}',
        "shop:owner": "me",
        "aws:region": "eu-west-1",
        "other:key": "[1,true]",
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
    with pytest.raises(ToolError) as raised:
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
    with pytest.raises(ToolError) as raised:
        load_stack("test", project)
    assert str(raised.value) == (
        "The config of stack 'test' cannot be used; mend Pulumi.test.yaml:\n"
        "  - shop:size is 'ten', but Pulumi.yaml declares its type integer\n"
        "  - shop:wide is 1, but Pulumi.yaml declares its type boolean\n"
        "  - shop:label is encrypted, and only the Pulumi CLI can decrypt it\n"
        "  - shop:owner has no value and no default\n"
        "  - aws:region is not set; every stack names its region"
    )


# What Pulumi CLI 3.259.0 makes of a value in a stack's file, as `pulumi config get` prints it; the
# types are those for which `pulumi preview` accepts it. All scalars are strings to it.
AS_THE_CLI: dict[str, tuple[str, str]] = {
    "5": ("5", "integer string"),
    '"5"': ("5", "integer string"),
    "007": ("7", "integer string"),
    '"007"': ("007", "integer string"),
    "08": ("8", "integer string"),
    "+5": ("5", "integer string"),
    '"+5"': ("+5", "integer string"),
    "-3": ("-3", "integer string"),
    '"-0"': ("-0", "integer string"),
    "1e3": ("1000", "integer string"),
    '"1e3"': ("1e3", "string"),
    "5.0": ("5", "integer string"),
    "5.5": ("5.5", "string"),
    "1_000": ("1000", "integer string"),
    '"1_000"': ("1_000", "string"),
    "0x10": ("16", "integer string"),
    "-0b11": ("-3", "integer string"),
    "0o17": ("15", "integer string"),
    "0o8": ("0o8", "string"),
    "9223372036854775807": ("9223372036854775807", "integer string"),
    "9223372036854775808": ("9223372036854775808", "string"),
    "99999999999999999999": ("100000000000000000000", "string"),
    '" 5"': (" 5", "string"),
    '"\N{FULLWIDTH DIGIT FIVE}"': ("\N{FULLWIDTH DIGIT FIVE}", "string"),
    "!!str 5": ("5", "integer string"),
    "true": ("true", "boolean string"),
    "True": ("true", "boolean string"),
    "FALSE": ("false", "boolean string"),
    '"true"': ("true", "boolean string"),
    '"True"': ("True", "string"),
    "yes": ("yes", "string"),
    "on": ("on", "string"),
    "n": ("n", "string"),
    "12:30:45": ("12:30:45", "string"),
    "2020-01-01": ("2020-01-01 00:00:00 +0000 UTC", "string"),
    "=": ("=", "string"),
    "": ("", "string"),
    "null": ("", "string"),
    "~": ("", "string"),
    '""': ("", "string"),
    '["a", b]': ('["a","b"]', "array"),
    '["5", é]': ('["5","é"]', "array"),
    "[1]": ("", ""),
    "[true]": ("", ""),
    """'["a"]'""": ('["a"]', "string"),
    "{b: 1, a: c}": ('{"a":"c","b":1}', "object"),
}
DEFAULTS = {
    "integer": "3",
    "boolean": "true",
    "string": "x",
    "array": "[], items: {type: string}",
    "object": "{}",
}


@pytest.mark.parametrize("written", AS_THE_CLI)
@pytest.mark.parametrize("declared", DEFAULTS)
def test_a_value_is_accepted_and_read_as_the_cli_does(
    tmp_path: Path, written: str, declared: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        f"name: shop\nconfig:\n  k: {{type: {declared}, default: {DEFAULTS[declared]}}}\n"
    )
    (tmp_path / "Pulumi.test.yaml").write_text(
        f"config:\n  aws:region: r\n  shop:k: {written}\n", "utf-8"
    )
    text, types = AS_THE_CLI[written]
    if declared in types.split():
        assert load_stack("test", tmp_path).config["shop:k"] == text
    else:
        with pytest.raises(ToolError, match=f"shop:k is .*declares its type {declared}$"):
            load_stack("test", tmp_path)


def test_what_the_cli_adds_to_the_files_is_no_obstacle(tmp_path: Path) -> None:
    """As `pulumi new` and `pulumi stack init` with a passphrase leave them."""
    (tmp_path / "Pulumi.yaml").write_text(
        "name: shop\n"
        "config:\n"
        "  size: {type: integer, default: 3}\n"
        "  pulumi:tags: {value: {pulumi:template: event-state}}\n"
        "  aws:profile: work\n"
    )
    (tmp_path / "Pulumi.test.yaml").write_text(
        'encryptionsalt: v1:abc=\nconfig:\n  aws:region: r\n  shop:size: "4"\n'
    )
    assert load_stack("test", tmp_path).config == {
        "shop:size": "4",
        "pulumi:tags": '{"pulumi:template":"event-state"}',
        "aws:profile": "work",
        "aws:region": "r",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [", "Pulumi.test.yaml is not YAML: "),
        ("[]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
        ("config: [a]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
    ],
)
def test_a_file_that_is_no_stack_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ToolError) as raised:
        load_stack("test", _project(tmp_path, text))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("name", ["dev", "local", "prod"])
def test_each_stack_of_this_project_tags_what_it_makes(name: str) -> None:
    assert load_stack(name).default_tags == {
        "project": "event-state",
        "stack": name,
        "managed-by": "pulumi",
    }
