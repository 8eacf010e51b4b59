"""What the program registers for a stack, with no AWS at all."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from rich.tree import Tree

from local.errors import LocalError
from local.program import Resource, Run, plain, run
from local.stacks import Stack

# Stands for the account, which only AWS knows; the one that AWS uses in its own examples.
ACCOUNT: Final = "123456789012"
# Stands for the event source mapping, which only AWS names.
MAPPING_UUID: Final = "a1b2c3d4-5678-90ab-cdef-111111111111"

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
        self._region = stack.region

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Compute the resource's id and its state."""
        if not args.custom:
            return None, args.inputs
        inputs = plain(args.inputs)
        name = inputs.get("name", args.name)
        arn = _ARNS.get(args.typ)
        outputs = {"name": name, "arn": arn and arn(self._region, name)}
        if args.typ == QUEUE:
            outputs["url"] = f"https://sqs.{self._region}.amazonaws.com/{ACCOUNT}/{name}"
        if args.typ == MAPPING:
            outputs["uuid"] = MAPPING_UUID
        return outputs.get("url", name), {**inputs, **outputs}

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Refuse: the program calls no provider function."""
        raise LocalError(f"The preview does not know the function {args.token}.")


def preview(stack: Stack) -> Run:
    """Run the program for the stack without creating anything."""
    return run(stack, Preview(stack))


def as_json(run: Run) -> str:
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


def as_mermaid(run: Run) -> str:
    """Draw how events flow through the resources, as a Mermaid flowchart from left to right.

    Every AWS resource is in it: as a box, or named in the box of the resource that it belongs to.
    An arrow stands for a dependency that the program registered.
    https://mermaid.js.org/syntax/flowchart.html
    """
    resources = {each.urn: each for each in run.resources if each.type.startswith("aws:")}
    boxes = {urn: _box(each, resources) for urn, each in resources.items()}
    inside: dict[str, list[Resource]] = defaultdict(list)
    for urn, each in resources.items():
        inside[boxes[urn]].append(each)
    arrows = [
        arrow.format(here=_id(boxes[urn]), there=_id(boxes[dependency]))
        for urn, each in resources.items()
        for dependency in each.dependencies
        if (arrow := _ARROWS.get((each.type, resources[dependency].type)))
    ]
    lines = [_drawn(box, members) for box, members in inside.items()]
    return "\n    ".join(["flowchart LR", *lines, *dict.fromkeys(arrows)])


def _box(resource: Resource, resources: Mapping[str, Resource]) -> str:
    # All alarms share a box; what is named after a resource that it needs belongs to that one.
    if resource.type == ALARM:
        return "alarms"
    needed = (resources[urn].name for urn in resource.dependencies)
    owners = (name for name in needed if resource.name.startswith(f"{name}-"))
    return max(owners, key=len, default=resource.name)


def _drawn(box: str, members: Sequence[Resource]) -> str:
    lines = [f"<b>{box}</b>"]
    for member in members:
        if member.name == box:
            lines[1:1] = [
                name for key in ("name", "dashboardName") if (name := member.inputs.get(key))
            ]
        else:
            lines.append(f"<i>{member.name.removeprefix('alarm-').removeprefix(f'{box}-')}</i>")
    text = "<br/>".join(lines)
    is_table = members[0].type == TABLE
    return f'{_id(box)}[("{text}")]' if is_table else f'{_id(box)}["{text}"]'


def _id(box: str) -> str:
    return box.replace("-", "_")


def _asset_as_json(value: object) -> Mapping[str, Any]:
    if isinstance(value, pulumi.AssetArchive):
        return {"assets": {name: vars(asset) for name, asset in value.assets.items()}}
    raise TypeError(f"{value!r} has no JSON form")


def _arn(service: str, form: str) -> Callable[[str, str], str]:
    return lambda region, name: f"arn:aws:{service}:{form.format(region=region, name=name)}"


_ARNS: Final[Mapping[str, Callable[[str, str], str]]] = {
    ALARM: _arn("cloudwatch", "{region}:" + ACCOUNT + ":alarm:{name}"),
    LOG_GROUP: _arn("logs", "{region}:" + ACCOUNT + ":log-group:{name}"),
    TABLE: _arn("dynamodb", "{region}:" + ACCOUNT + ":table/{name}"),
    ROLE: _arn("iam", ":" + ACCOUNT + ":role/{name}"),
    FUNCTION: _arn("lambda", "{region}:" + ACCOUNT + ":function:{name}"),
    TOPIC: _arn("sns", "{region}:" + ACCOUNT + ":{name}"),
    QUEUE: _arn("sqs", "{region}:" + ACCOUNT + ":{name}"),
}

# How a dependency of a resource (here) on another (there) is drawn; most need no arrow.
_ARROWS: Final[Mapping[tuple[str, str], str]] = {
    (MAPPING, QUEUE): "producers([producers]) --> {there} --> {here}",
    (MAPPING, FUNCTION): "{here} -->|batches| {there}",
    (FUNCTION, TABLE): "{here} -->|PutItem| {there}",
    (FUNCTION, LOG_GROUP): "{here} -->|log lines, counts| {there}",
    (FUNCTION, ROLE): "{there} -.-|permits| {here}",
    (QUEUE, QUEUE): "{here} -->|after maxReceiveCount| {there}",
    (ALARM, QUEUE): "{there} -.-> {here}",
    (ALARM, FUNCTION): "{there} -.-> {here}",
    (ALARM, TABLE): "{there} -.-> {here}",
    (ALARM, TOPIC): "{here} --> {there}",
    (DASHBOARD, ALARM): "{there} -.-> {here}",
}
