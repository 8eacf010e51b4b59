"""What the real, unchanged program registers for a stack: on Pulumi's own mocks, without AWS."""

import asyncio
import contextvars
import json
import runpy
import signal
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.settings import get_root_resource
from rich.console import Console

from tools.console import make_table
from tools.errors import ToolError
from tools.stacks import PROJECT, Stack

# Stand for what only AWS knows: the account, as in AWS's own examples, the event source mapping's
# name, and the moment at which a table's stream was enabled.
ACCOUNT: Final = "123456789012"
MAPPING_UUID: Final = "a1b2c3d4-5678-90ab-cdef-111111111111"
STREAM_LABEL: Final = "2025-01-01T00:00:00.000"

STACK_TYPE: Final = "pulumi:pulumi:Stack"
DASHBOARD: Final = "aws:cloudwatch/dashboard:Dashboard"
FUNCTION: Final = "aws:lambda/function:Function"
MAPPING: Final = "aws:lambda/eventSourceMapping:EventSourceMapping"
QUEUE: Final = "aws:sqs/queue:Queue"
TABLE: Final = "aws:dynamodb/table:Table"
# What stands in an ARN before and after the place.
_ARNS: Final[Mapping[str, tuple[str, str]]] = {
    "aws:cloudwatch/logGroup:LogGroup": ("logs", "log-group:"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("cloudwatch", "alarm:"),
    "aws:iam/role:Role": ("iam", "role/"),
    "aws:sns/topic:Topic": ("sns", ""),
    FUNCTION: ("lambda", "function:"),
    QUEUE: ("sqs", ""),
    TABLE: ("dynamodb", "table/"),
}


class Resource(NamedTuple):
    """A resource as the program registered it, by Pulumi's own names."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    parent: str
    dependencies: tuple[str, ...]
    protect: bool
    provider: str  # the one that the program gave it, or nothing
    delete_before_replace: bool | None  # None: as the provider wants it, wherever a name is given


class Run(NamedTuple):
    """What one run of the program registered, ordered by URN, and its stack outputs."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]


class Preview(Mocks):
    """Answers each registration with the outputs that AWS would compute, in their real form."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.region, self.account = stack.region, ACCOUNT

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Compute the resource's id and its state."""
        if not args.custom:
            return None, args.inputs
        state = _plain(args.inputs)
        named = "dashboardName" if args.typ == DASHBOARD else "name"
        given = MAPPING_UUID if args.typ == MAPPING else state.get(named, args.name)
        name = state[named] = self.name_of(args.name, given)
        if args.typ in _ARNS:
            service, form = _ARNS[args.typ]
            place = f"{'' if service == 'iam' else self.region}:{self.account}"
            state["arn"] = f"arn:{self._stack.partition['name']}:{service}:{place}:{form}{name}"
        if args.typ == QUEUE:
            host = f"sqs.{self.region}.{self._stack.partition['dnsSuffix']}"
            state["url"] = f"https://{host}/{self.account}/{name}"
        if args.typ == TABLE and state["streamEnabled"]:
            state["streamArn"] = f"{state['arn']}/stream/{STREAM_LABEL}"
        if args.typ == MAPPING:
            state["uuid"] = name
        return state.get("url", name), state

    def name_of(self, name: str, given: str) -> str:
        """Return AWS's name for the resource that the program calls `name`."""
        return given

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        """Refuse: the program calls no provider function."""
        raise ToolError(f"The preview does not know the function {args.token}.")


def preview(stack: Stack) -> Run:
    """Run the program for the stack without creating anything."""
    return run(stack, Preview(stack))


def run(stack: Stack, mocks: Mocks, program: Path = PROJECT) -> Run:
    """Run the program, this one or that of another folder, with the stack's config."""
    # Signals wait for the end: Pulumi's event loop breaks at one, and Python drops one that comes
    # while it finalizes an object, as it does here by the thousand.
    endings = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    try:
        # Pulumi keeps its state in context variables: in a context of its own, each is the first.
        with asyncio.Runner() as runner:
            runner.get_loop()  # the one that Pulumi looks for, and that Python no longer makes
            return contextvars.Context().run(_run, stack, mocks, program)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, endings)


def _run(stack: Stack, mocks: Mocks, folder: Path) -> Run:
    monitor = _Recorder(mocks)
    outputs: dict[str, Any] = {}
    pulumi.runtime.set_all_config(dict(stack.config))
    pulumi.runtime.set_mocks(mocks, stack.project, stack.name, preview=False, monitor=monitor)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[None]:
        runpy.run_path(str(folder), run_name="__main__")
        root: Any = get_root_resource()
        return pulumi.Output.all(**root.outputs).apply(outputs.update)

    try:
        program()
    except Exception as error:
        # Pulumi wraps what the mocks raise in words about the resource that waited for it.
        if monitor.error or isinstance(error, pulumi.RunError):
            raise monitor.error or ToolError(str(error)) from None
        raise
    return Run(resources=tuple(sorted(monitor.recorded, key=attrgetter("urn"))), outputs=outputs)


class _Recorder(MockMonitor):
    """Records what MockResourceArgs leaves out: parent, dependencies and options."""

    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.recorded: list[Resource] = []
        self.error: ToolError | None = None

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Name a resource as the engine does: the stack is no part of a child's type."""
        parent_type = parent.split("::")[2] if parent else STACK_TYPE
        full = type_ if parent_type == STACK_TYPE else f"{parent_type}${type_}"
        return str(super().make_urn("", full, name))

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        """Record the request, then let the mocks make the resource."""
        if request.type != STACK_TYPE:
            is_said = request.deleteBeforeReplaceDefined
            made = Resource(
                urn=self.make_urn(request.parent, request.type, request.name),
                type=request.type,
                name=request.name,
                inputs=_plain(rpc.deserialize_properties(request.object)),
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


def _plain(value: Any) -> Any:
    """Give whole numbers back their type: between program and engine all numbers are doubles."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def show(stack: Stack, run: Run) -> None:
    """Print a line for each resource of a provider, and the outputs."""
    title = f"{stack.project}-{stack.name} in {stack.region}"
    table = make_table(title, ("resource", "type", "name", ""))
    for each in run.resources:
        if each.type.startswith("aws:"):
            protected = "protected" if each.protect else ""
            table.add_row(each.name, each.type, each.inputs.get("name"), protected)
    outputs = make_table("Outputs", ("output", "value"))
    for output in run.outputs.items():
        outputs.add_row(*output)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # whole lines into a pipe or a file
    console.print(table, outputs)


def to_json(run: Run) -> str:
    """Render a run as JSON: {"resources": [...], "outputs": {...}}, by Pulumi's own names."""
    names = ("urn", "type", "name", "inputs", "parent", "dependencies", "protect")
    resources = [{name: getattr(each, name) for name in names} for each in run.resources]
    found = {"resources": resources, "outputs": run.outputs}
    # An archive of the function's code, and the files in it.
    return json.dumps(found, default=vars, ensure_ascii=False, sort_keys=True, indent=2)
