"""Runs the real, unchanged Pulumi program without the Pulumi engine, and records what it registers.

The engine's place is taken by Pulumi's own mock monitor; what a resource becomes is up to the
mocks given.
"""

import asyncio
import contextvars
import runpy
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, cast

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack as PulumiStack

from tools.errors import ToolError
from tools.stacks import PROJECT, Stack

STACK_TYPE: Final = "pulumi:pulumi:Stack"
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as the program registered it, by Pulumi's own names."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    parent: str
    dependencies: tuple[str, ...]
    protect: bool
    provider: str
    """The one that the program gave it, or nothing."""
    delete_before_replace: bool | None
    """None if the program leaves it to the provider, which wants it wherever a name is given."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of the program registered, ordered by URN, and its stack outputs."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]


def run(stack: Stack, mocks: pulumi_mocks.Mocks, program: Path = PROJECT) -> Run:
    """Run the program, this one or that of another folder, with the stack's config.

    Raises ToolError: the settings are wrong, or the mocks could not make a resource.
    """
    # Signals wait for the end: Pulumi's event loop breaks at one, and Python drops one that comes
    # while it finalizes an object, as it does here by the thousand.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        # Pulumi keeps its state in context variables: in a context of its own, each is the first.
        with asyncio.Runner() as runner:
            runner.get_loop()  # the one that Pulumi looks for, and that Python no longer makes
            return contextvars.Context().run(_run, stack, mocks, program)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)


def _run(stack: Stack, mocks: pulumi_mocks.Mocks, folder: Path) -> Run:
    monitor = _Recorder(mocks)
    outputs: dict[str, Any] = {}
    pulumi.runtime.set_all_config(dict(stack.config))
    pulumi.runtime.set_mocks(mocks, stack.project, stack.name, preview=False, monitor=monitor)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[None]:
        runpy.run_path(str(folder), run_name="__main__")
        exported = cast("PulumiStack", get_root_resource()).outputs
        return pulumi.Output.all(**exported).apply(outputs.update)

    try:
        program()
    except pulumi.RunError as error:
        raise ToolError(str(error)) from None
    except Exception:
        if monitor.error:
            # Pulumi wraps it in words about the resource that waited for the failed one.
            raise monitor.error from None
        raise
    return Run(resources=tuple(sorted(monitor.recorded, key=attrgetter("urn"))), outputs=outputs)


def plain(value: Any) -> Any:
    """Give whole numbers back their type: between program and engine all numbers are doubles."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Recorder(pulumi_mocks.MockMonitor):
    """Records what MockResourceArgs leaves out: parent, dependencies and options."""

    def __init__(self, mocks: pulumi_mocks.Mocks) -> None:
        super().__init__(mocks)
        self.recorded: list[Resource] = []
        self.error: ToolError | None = None

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Name a resource as the engine does: the stack is no part of a child's type."""
        urn: str = super().make_urn("", type_, name)
        parent_type = parent.split("::")[2] if parent else STACK_TYPE
        if parent_type == STACK_TYPE:
            return urn
        return urn.replace(f"::{type_}::", f"::{parent_type}${type_}::", 1)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        """Record the request, then let the mocks make the resource."""
        if request.type != STACK_TYPE:
            is_said = request.deleteBeforeReplaceDefined
            made = Resource(
                urn=self.make_urn(request.parent, request.type, request.name),
                type=request.type,
                name=request.name,
                inputs=plain(rpc.deserialize_properties(request.object)),
                parent=request.parent,
                dependencies=tuple(sorted(request.dependencies)),
                protect=request.protect,
                provider=request.provider,
                delete_before_replace=request.deleteBeforeReplace if is_said else None,
            )
            self.recorded.append(made)
        try:
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]
        except ToolError as error:
            self.error = self.error or error
            raise
