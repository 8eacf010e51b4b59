"""A stack's config, as the program will see it: the stack's file, every value as text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore.loaders
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
        return replace(self, config={**self.config, **_texts(changes, self.project)})

    @property
    def region(self) -> str:
        """The AWS region that the stack deploys to."""
        return self.config["aws:region"]

    @property
    def partition(self) -> Mapping[str, str]:
        """What the AWS SDK knows of the region's partition: its name, dnsSuffix, ..."""
        return _of_partition(self.region)

    @property
    def default_tags(self) -> Mapping[str, str]:
        """The tags that the AWS provider puts on everything that takes tags."""
        return dict(json.loads(self.config.get("aws:defaultTags", "{}")).get("tags", {}))


def load_stack(name: str, project: Path = PROJECT) -> Stack:
    """Read the config of the stack `name`; raise ToolError if it is none that can be used."""
    definition, file = _read(project / "Pulumi.yaml"), project / f"Pulumi.{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.name.split(".")[1] for path in project.glob("Pulumi.*.yaml")))
        missing = f"{file.name} does not exist. The stacks are: {known}."
        raise ToolError(f"There is no stack {name!r}: {missing}")
    given = _read(file).get("config") or {}
    for key, value in given.items():
        if isinstance(value, dict) and value.keys() == {"secure"}:
            raise ToolError(f"{file.name}: {key} is encrypted, and only Pulumi can decrypt it.")
    if "aws:region" not in given:
        raise ToolError(f"{file.name}: aws:region is not set; every stack names its region.")
    return Stack(name=name, project=definition["name"], config=_texts(given, definition["name"]))


@cache
def _of_partition(region: str) -> Mapping[str, str]:
    for each in botocore.loaders.Loader().load_data("partitions")["partitions"]:
        if re.search(each["regionRegex"], region):
            return dict(each["outputs"])
    raise ToolError(f"aws:region is {region!r}, and no AWS partition has a region of that form.")


def _texts(config: Mapping[str, object], project: str) -> dict[str, str]:
    """Write keys and values as the Pulumi CLI hands them on."""

    def text(value: object) -> str:
        json_of: Any = {"default": str, "ensure_ascii": False, "separators": (",", ":")}
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True, **json_of)

    named = {key if ":" in key else f"{project}:{key}": value for key, value in config.items()}
    return {key: text(value) for key, value in named.items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text("utf-8")) or {}
    except yaml.YAMLError as error:
        raise ToolError(f"{file.name} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("config") or {}, dict):
        raise ToolError(f"{file.name} must hold a mapping, with config as a mapping in it.")
    return content
