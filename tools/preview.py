"""What the program registers for a stack, with no AWS at all."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from rich.console import Console
from rich.tree import Tree

from tools.errors import ToolError
from tools.program import Resource, Run, plain, run
from tools.stacks import Stack

# Stands for the account, which only AWS knows; the one that AWS uses in its own examples.
ACCOUNT: Final = "123456789012"
# Stands for the event source mapping, which only AWS names.
MAPPING_UUID: Final = "a1b2c3d4-5678-90ab-cdef-111111111111"
# Stands for the moment at which a table's stream was enabled.
STREAM_LABEL: Final = "2025-01-01T00:00:00.000"

ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD: Final = "aws:cloudwatch/dashboard:Dashboard"
FUNCTION: Final = "aws:lambda/function:Function"
LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
MAPPING: Final = "aws:lambda/eventSourceMapping:EventSourceMapping"
QUEUE: Final = "aws:sqs/queue:Queue"
ROLE: Final = "aws:iam/role:Role"
TABLE: Final = "aws:dynamodb/table:Table"
TOPIC: Final = "aws:sns/topic:Topic"


class Preview(pulumi_mocks.Mocks):
    """Answers each registration with the outputs that AWS would compute, in their real form."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Compute the resource's id and its state."""
        if not args.custom:
            return None, args.inputs
        inputs = plain(args.inputs)
        name, region = self.name_of(args.typ, args.name, inputs), self._stack.region
        outputs = {"dashboardName" if args.typ == DASHBOARD else "name": name}
        if args.typ in _ARNS:
            service, form = _ARNS[args.typ]
            place = "" if service == "iam" else region
            outputs["arn"] = f"arn:{self._stack.partition}:{service}:{place}:{ACCOUNT}:{form}{name}"
        if args.typ == QUEUE:
            outputs["url"] = f"https://sqs.{region}.{self._stack.url_suffix}/{ACCOUNT}/{name}"
        if args.typ == TABLE and inputs["streamEnabled"]:
            outputs["streamArn"] = f"{outputs['arn']}/stream/{STREAM_LABEL}"
        if args.typ == MAPPING:
            outputs["uuid"] = name
        return outputs.get("url", name), {**inputs, **outputs}

    def name_of(self, type_: str, name: str, inputs: Mapping[str, Any]) -> str:
        """Name a resource as AWS would: as its inputs do, or after the program's name for it."""
        if type_ == MAPPING:
            return MAPPING_UUID
        given: str = inputs.get("dashboardName" if type_ == DASHBOARD else "name", name)
        return given

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Refuse: the program calls no provider function."""
        raise ToolError(f"The preview does not know the function {args.token}.")


def preview(stack: Stack) -> Run:
    """Run the program for the stack without creating anything."""
    return run(stack, Preview(stack))


def show(stack: Stack, run: Run, *, as_json: bool) -> None:
    """Print a run: as JSON, or drawn as a tree, in whole lines into a pipe or a file."""
    if as_json:
        print(to_json(run))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(as_tree(stack, run))


def to_json(run: Run) -> str:
    """Render a run as JSON: {"resources": [...], "outputs": {...}}, by Pulumi's own names."""
    return json.dumps(
        {
            "resources": [
                {
                    "urn": resource.urn,
                    "type": resource.type,
                    "name": resource.name,
                    "inputs": resource.inputs,
                    "parent": resource.parent,
                    "dependencies": list(resource.dependencies),
                    "protect": resource.protect,
                }
                for resource in run.resources
            ],
            "outputs": run.outputs,
        },
        default=_asset_as_json,
        ensure_ascii=False,
        sort_keys=True,
        indent=2,
    )


def as_tree(stack: Stack, run: Run) -> Tree:
    """Draw the resources below the stack, as `pulumi preview` does, and the outputs after them."""
    children: dict[str, list[Resource]] = defaultdict(list)
    for resource in run.resources:
        children[resource.parent].append(resource)
    tree = Tree(f"[bold]{stack.project}-{stack.name}[/]  {stack.region}")
    known = {resource.urn for resource in run.resources}

    def grow(branch: Tree, parent: str) -> None:
        for child in children[parent]:
            label = f"{child.name}  [dim]{child.type}[/]"
            if name := child.inputs.get("name"):
                label += f"  [cyan]{name}[/]"
            if child.protect:
                label += "  [yellow]protected[/]"
            grow(branch.add(label), child.urn)

    for root in sorted(set(children) - known):
        grow(tree, root)
    outputs = tree.add("outputs")
    for name, value in run.outputs.items():
        outputs.add(f"{name}  [cyan]{value}[/]")
    return tree


def _asset_as_json(value: object) -> Mapping[str, Any]:
    if isinstance(value, pulumi.AssetArchive):
        return {"assets": {name: vars(asset) for name, asset in value.assets.items()}}
    raise TypeError(f"{value!r} has no JSON form")


# The service, and what stands before the name.
_ARNS: Final[Mapping[str, tuple[str, str]]] = {
    ALARM: ("cloudwatch", "alarm:"),
    LOG_GROUP: ("logs", "log-group:"),
    TABLE: ("dynamodb", "table/"),
    ROLE: ("iam", "role/"),
    FUNCTION: ("lambda", "function:"),
    TOPIC: ("sns", ""),
    QUEUE: ("sqs", ""),
}
