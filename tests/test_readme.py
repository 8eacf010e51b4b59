"""The README's tables say what the program does."""

import re

import yaml

from tools.preview import preview
from tools.stacks import PROJECT, load_stack

README = (PROJECT / "README.md").read_text("utf-8")


def _rows(section: str) -> list[tuple[str, ...]]:
    text = README.split(f"### {section}\n")[1].split("\n#")[0]
    rows = re.findall(r"^\|(.+)\|$", text, re.MULTILINE)
    cells = [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", row)) for row in rows]
    return cells[2:]


def test_the_config_table_is_the_schema_of_pulumi_yaml() -> None:
    schema = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text("utf-8"))["config"]
    assert _rows("Config") == [
        (f"`{key}`", _default(declared["default"]), declared["description"].strip())
        for key, declared in schema.items()
    ]


def _default(value: object) -> str:
    if value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_the_output_table_is_what_the_program_exports() -> None:
    outputs = preview(load_stack("prod").with_config({"changeStream": True})).outputs
    assert [row[0] for row in _rows("Outputs")] == [f"`{name}`" for name in outputs]
