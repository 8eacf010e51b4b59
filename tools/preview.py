"""What the program registers for a stack, with no AWS at all."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from rich.console import Console

from tools.console import make_table
from tools.errors import ToolError
from tools.program import Run, plain, run
from tools.stacks import Stack

# Stand for what only AWS knows: the account, as in AWS's own examples, the event source mapping's
# name, and the moment at which a table's stream was enabled.
ACCOUNT: Final = "123456789012"
MAPPING_UUID: Final = "a1b2c3d4-5678-90ab-cdef-111111111111"
STREAM_LABEL: Final = "2025-01-01T00:00:00.000"

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


class Preview(pulumi_mocks.Mocks):
    """Answers each registration with the outputs that AWS would compute, in their real form."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.region, self.account = stack.region, ACCOUNT

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Compute the resource's id and its state."""
        if not args.custom:
            return None, args.inputs
        state = plain(args.inputs)
        named = "dashboardName" if args.typ == DASHBOARD else "name"
        given = MAPPING_UUID if args.typ == MAPPING else state.get(named, args.name)
        name = state[named] = self.name_of(args.name, given)
        if args.typ in _ARNS:
            service, form = _ARNS[args.typ]
            place = f"{'' if service == 'iam' else self.region}:{self.account}"
            state["arn"] = f"arn:{self._stack.partition}:{service}:{place}:{form}{name}"
        if args.typ == QUEUE:
            host = f"sqs.{self.region}.{self._stack.url_suffix}"
            state["url"] = f"https://{host}/{self.account}/{name}"
        if args.typ == TABLE and state["streamEnabled"]:
            state["streamArn"] = f"{state['arn']}/stream/{STREAM_LABEL}"
        if args.typ == MAPPING:
            state["uuid"] = name
        return state.get("url", name), state

    def name_of(self, name: str, given: str) -> str:
        """Return AWS's name for the resource that the program calls `name`."""
        return given

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Refuse: the program calls no provider function."""
        raise ToolError(f"The preview does not know the function {args.token}.")


def preview(stack: Stack) -> Run:
    """Run the program for the stack without creating anything."""
    return run(stack, Preview(stack))


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
    return json.dumps(found, default=_asset_as_json, ensure_ascii=False, sort_keys=True, indent=2)


def _asset_as_json(value: object) -> Mapping[str, Any]:
    if isinstance(value, pulumi.AssetArchive):
        return {"assets": {name: vars(asset) for name, asset in value.assets.items()}}
    raise TypeError(f"{value!r} has no JSON form")
