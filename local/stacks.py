"""Stack config, read exactly as the Pulumi CLI reads it.

Defaults from Pulumi.yaml, then the stack's own file; a key without a namespace is the project's;
each value is checked against its declared type and handed on as text, objects as JSON.
https://www.pulumi.com/docs/iac/concepts/config/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from local.errors import LocalError

PROJECT: Final = Path(__file__).parent.parent

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


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
        LocalError: there is no such stack, or a value is not what Pulumi.yaml declares.

    """
    definition = _read(project / "Pulumi.yaml")
    file = project / f"Pulumi.{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.name.split(".")[1] for path in project.glob("Pulumi.*.yaml")))
        raise LocalError(
            f"There is no stack {name!r}: {file.name} does not exist. The stacks are: {known}."
        )
    declared = {
        _qualified(key, definition["name"]): declaration
        for key, declaration in definition.get("config", {}).items()
    }
    given = {
        _qualified(key, definition["name"]): value
        for key, value in (_read(file).get("config") or {}).items()
    }
    config: dict[str, str] = {}
    problems: list[str] = []
    for key in declared | given:
        value = given.get(key, declared.get(key, {}).get("default"))
        expected = declared.get(key, {}).get("type")
        if isinstance(value, dict) and value.keys() == {"secure"}:
            problems.append(f"{key} is encrypted, and only the Pulumi CLI can decrypt it")
        elif value is None:
            problems.append(f"{key} has no value and no default")
        elif expected and not _is(value, expected):
            problems.append(f"{key} is {value!r}, but Pulumi.yaml declares its type {expected}")
        else:
            config[key] = _text(value)
    if "aws:region" not in config:
        problems.append("aws:region is not set; every stack names its region")
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise LocalError(f"The config of stack {name!r} cannot be used; mend {file.name}:{lines}")
    return Stack(name=name, project=definition["name"], config=config)


def _qualified(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _text(value: object) -> str:
    """Write a value as the program will see it."""
    return value if isinstance(value, str) else json.dumps(value)


def _is(value: object, expected: str) -> bool:
    # To Python a bool is an int; to Pulumi it is not.
    return isinstance(value, _TYPES[expected]) and (expected == "boolean") == (
        isinstance(value, bool)
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise LocalError(f"{file.name} is not YAML: {' '.join(str(error).split())}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not isinstance(content.get("config") or {}, dict):
        raise LocalError(f"{file.name} must hold a mapping, with config as a mapping in it.")
    return content
