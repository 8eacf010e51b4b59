"""The stack's config: the component's arguments by the same names, in camelCase."""

import json
import re
from typing import Any, Final, cast

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic.alias_generators import to_camel

from infra.arguments import EventStateArgs
from infra.arns import Arn
from infra.problems import Problem, listed, unknown
from infra.settings import Settings

KEYS: Final = {to_camel(name): name for name in Settings.model_fields}
TEXTS: Final = (str, str | None, Arn | None)


def load_arguments(defaults: EventStateArgs) -> EventStateArgs:
    """Read the current stack's config over the program's own defaults.

    Raises:
        pulumi.RunError: one or more keys break a rule; the message names each, and its fix.

    """
    given = _given()
    args = {KEYS[key]: _read(KEYS[key], text) for key, text in given.items() if key in KEYS}
    checked = Settings.checked({**defaults, **args}, names="")
    problems = [
        *([] if isinstance(checked, Settings) else checked),
        *(unknown(key, list(KEYS)) for key in given if key not in KEYS),
    ]
    if problems:
        stack = pulumi.get_stack()
        where = f"the config of stack {stack!r} (Pulumi.{stack}.yaml); no resource was registered"
        raise pulumi.RunError(listed(where, [*map(_said, problems)]))
    return cast("EventStateArgs", {**defaults, **args})


def _given() -> dict[str, str]:
    """Return the project's keys: pulumi.Config reads by name, and would miss a misspelt one."""
    prefix = f"{pulumi.get_project()}:"
    everything = runtime_config.get_config_env() | runtime_config.CONFIG.get()
    return {
        key.removeprefix(prefix): value
        for key, value in everything.items()
        if key.startswith(prefix)
    }


def _read(name: str, text: str) -> Any:
    """Read a value, which is always text here, as Pulumi reads it: 007 and +5 are integers."""
    if Settings.model_fields[name].annotation in TEXTS:
        return text
    if re.fullmatch(r"[+-]?0*[0-9]{1,18}", text, re.ASCII):
        return int(text)
    try:
        return json.loads(text) if text in ("true", "false") or text.startswith("[") else text
    except ValueError:
        return text


def _said(problem: Problem) -> str:
    """Say it with the command that fixes it."""
    key, stack = to_camel(problem.key), pulumi.get_stack()
    if not problem.is_known:
        fix = f"pulumi config rm --stack {stack} {problem.key}"
    elif problem.key in ("topic_arns", "rule_arns"):  # no command sets a list as a whole
        fix = f"edit Pulumi.{stack}.yaml"
    else:
        where = f"--path '{key}'" if "[" in key else key
        fix = f"pulumi config set --stack {stack} {where} VALUE"
    return f"{problem.said(to_camel)}. Fix: {fix}"
