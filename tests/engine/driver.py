"""Drives the real Pulumi engine: a copy of the project, a state of its own, and what each step did.

The program runs unchanged in this process, as an inline program of Pulumi's Automation API, so it
needs the Pulumi CLI and its AWS plugin, but no language host.
https://www.pulumi.com/docs/iac/packages-and-automation/automation-api/
"""

import runpy
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from pulumi import automation

from tools.deployed import Deployed
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.stacks import PROJECT, load_stack

STACK: Final = "local"

# What MiniStack answers otherwise than it was told, so that each `up` tells it again: it invents a
# statistic beside an extended one, and keeps no metrics config.
OF_THE_EMULATOR: Final = {
    "alarm-function-duration": "statistic",
    "event-source-mapping": "metricsConfig",
}


class Change(NamedTuple):
    """One operation of the engine: (queue, update, {visibilityTimeoutSeconds})."""

    resource: str
    operation: str
    properties: Set[str]


class Step(NamedTuple):
    """What one command of the engine did."""

    changes: list[Change]
    """In the order in which each ended, without those of which only MiniStack is the reason."""
    error: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One stack under the real engine."""

    aws: Emulator
    stack: automation.Stack

    def up(self, config: Mapping[str, str], *, go_on: bool = False) -> Step:
        """Set config keys as `pulumi config set` does, then `pulumi up`; go on after an error."""
        for key, value in config.items():
            self.stack.set_config(key, automation.ConfigValue(value))
        return self.take(partial(self.stack.up, continue_on_error=go_on))

    def flow(self) -> Deployed:
        """Read the stack's outputs."""
        return Deployed({name: output.value for name, output in self.stack.outputs().items()})

    def take(self, command: Callable[..., object]) -> Step:
        """Run one of the stack's own commands."""
        changes, error, began = list[Change](), "", time.monotonic()

        def see(event: automation.events.EngineEvent) -> None:
            told = event.res_outputs_event
            if not told or told.metadata.type.startswith("pulumi:"):
                return  # the stack itself, or its provider
            name, operation = told.metadata.urn.split("::")[-1], told.metadata.op.value
            changed = told.metadata.detailed_diff or told.metadata.diffs or []
            properties = {path.split(".")[0].split("[")[0] for path in changed}
            forgotten = {prop for end, prop in OF_THE_EMULATOR.items() if name.endswith(end)}
            is_ours = operation != "update" or not properties <= forgotten
            if is_ours and operation not in ("same", "refresh", "read"):
                changes.append(Change(name, operation, properties))

        try:
            command(on_event=see)
        except automation.CommandError as failure:
            error = str(failure)
        return Step(changes, error, time.monotonic() - began)


def need(*programs: str) -> None:
    """Raise ToolError if one of them is missing."""
    for program in programs:
        if shutil.which(program) is None:
            raise ToolError(f"{program} is not on PATH: https://www.pulumi.com/docs/install/")


def config_of_local(aws: Emulator) -> str:
    """Return the file of the stack `local`, with this embedded AWS in it."""
    text = (PROJECT / f"Pulumi.{STACK}.yaml").read_text("utf-8")
    return text.replace("http://127.0.0.1:4566", aws.endpoint_url)


def state_in(folder: Path) -> dict[str, str]:
    """Return the environment in which Pulumi keeps its state in a folder."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    return {"PULUMI_BACKEND_URL": state.as_uri(), "PULUMI_CONFIG_PASSPHRASE": "none"}


@contextmanager
def engine() -> Iterator[Engine]:
    """Make the stack `local` for an embedded AWS of its own; afterwards nothing is left of either.

    Raises ToolError: the Pulumi CLI is missing.
    """
    need("pulumi")
    with tempfile.TemporaryDirectory() as folder, Emulator() as aws:
        project = Path(folder, "project")
        # The engine reads the function's files, and writes into the stack's, where it runs.
        shutil.copytree(PROJECT / "function", project / "function")
        shutil.copy(PROJECT / "Pulumi.yaml", project)
        (project / f"Pulumi.{STACK}.yaml").write_text(config_of_local(aws), "utf-8")
        options = automation.LocalWorkspaceOptions(
            work_dir=str(project), env_vars=state_in(Path(folder))
        )
        stack = automation.create_stack(
            STACK, project_name=load_stack(STACK).project, program=_program, opts=options
        )
        yield Engine(aws=aws, stack=stack)


def _program() -> None:
    runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")
