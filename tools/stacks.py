"""Stack config, read as the Pulumi CLI reads it, whatever it was that wrote the file.

Defaults from Pulumi.yaml, then the stack's own file; a key without a namespace is the project's;
each value becomes text, is checked against its declared type, and is handed on as that text.
https://www.pulumi.com/docs/iac/concepts/config/
"""

import contextlib
import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from tools.errors import ToolError

PROJECT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One environment: its name, its project's name, and its config as the program will see it."""

    name: str
    project: str
    config: Mapping[str, str]

    def with_config(self, changes: Mapping[str, object]) -> "Stack":
        """Return this stack with some keys changed; a key without a namespace is the project's."""
        changed = {_qualified(key, self.project): _text(value) for key, value in changes.items()}
        return replace(self, config={**self.config, **changed})

    @property
    def region(self) -> str:
        """The AWS region that the stack deploys to."""
        return self.config["aws:region"]

    @property
    def default_tags(self) -> Mapping[str, str]:
        """The tags that the AWS provider puts on everything that takes tags."""
        tags: dict[str, str] = json.loads(self.config.get("aws:defaultTags", "{}")).get("tags", {})
        return tags


def load_stack(name: str, project: Path = PROJECT) -> Stack:
    """Read the config of the stack `name`.

    Raises:
        ToolError: there is no such stack, or a value is not what Pulumi.yaml declares.

    """
    definition = _read(project / "Pulumi.yaml")
    file = project / f"Pulumi.{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.name.split(".")[1] for path in project.glob("Pulumi.*.yaml")))
        raise ToolError(
            f"There is no stack {name!r}: {file.name} does not exist. The stacks are: {known}."
        )
    declared = {
        _qualified(key, definition["name"]): declaration
        if isinstance(declaration, dict)
        else {"value": declaration}
        for key, declaration in (definition.get("config") or {}).items()
    }
    given = {
        _qualified(key, definition["name"]): value
        for key, value in (_read(file).get("config") or {}).items()
    }
    config: dict[str, str] = {}
    problems: list[str] = []
    for key in declared | given:
        declaration = declared.get(key, {})
        value = given.get(key, declaration.get("value", declaration.get("default")))
        if key in given and value is None:
            value = ""  # as the CLI has it, with a warning
        if isinstance(value, dict) and value.keys() == {"secure"}:
            problems.append(f"{key} is encrypted, and only the Pulumi CLI can decrypt it")
        elif value is None:
            problems.append(f"{key} has no value and no default")
        elif "type" in declaration and not _is(
            value if isinstance(value, list | dict) else _text(value), declaration
        ):
            expected = declaration["type"]
            problems.append(f"{key} is {value!r}, but Pulumi.yaml declares its type {expected}")
        else:
            config[key] = _text(value)
    if "aws:region" not in config:
        problems.append("aws:region is not set; every stack names its region")
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ToolError(f"The config of stack {name!r} cannot be used; mend {file.name}:{lines}")
    return Stack(name=name, project=definition["name"], config=config)


def _qualified(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _text(value: object) -> str:
    """Write a value as the program will see it."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date):  # a datetime is one too; Go's own form
        return f"{value:%Y-%m-%d %H:%M:%S} +0000 UTC"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _is(value: object, declared: Mapping[str, Any]) -> bool:
    """Whether the CLI accepts a value; one that stands by itself comes as the text it will be.

    `config set` writes every value as text, so text that Go's Atoi takes is an integer.
    """
    match declared["type"]:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool) or value in ("true", "false")
        case "integer" if isinstance(value, str):
            return bool(re.fullmatch(r"[-+]?[0-9]+", value)) and -(2**63) <= int(value) < 2**63
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list) and all(_is(item, declared["items"]) for item in value)
        case _:
            return isinstance(value, dict)


class _Loader(yaml.SafeLoader):
    """YAML as the CLI's parser reads it: of version 1.1 no yes, no, on, off and 12:30:45.

    https://pkg.go.dev/gopkg.in/yaml.v3#hdr-Compatibility
    """


def _number(_: _Loader, node: yaml.ScalarNode) -> float | str:
    """Read what begins as a number does; a whole one is an int, however it is written."""
    plain = re.sub(r"^([-+]?)0(?=[0-7]+$)", r"\g<1>0o", node.value.replace("_", ""))
    with contextlib.suppress(ValueError):
        whole = int(plain, 0)
        if -(2**63) <= whole < 2**64:
            return whole
    if not re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", plain):
        return str(node.value)
    number = float(plain)
    return int(number) if number.is_integer() else number


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("timestamp", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$", "0123456789"),
    ("float", "", "-+.0123456789"),
    ("bool", "(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", "(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    _tag = f"tag:yaml.org,2002:{_tag}"
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text("utf-8"), _Loader)  # noqa: S506 (it is a SafeLoader)
    except yaml.YAMLError as error:
        raise ToolError(f"{file.name} is not YAML: {' '.join(str(error).split())}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not isinstance(content.get("config") or {}, dict):
        raise ToolError(f"{file.name} must hold a mapping, with config as a mapping in it.")
    return content
