"""What the program registers for a stack, or for a variation of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

from tools.preview import Resource, Run, preview
from tools.stacks import Stack, load_stack

KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
EMAIL: Final = "operations@example.com"
TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:pager"

TOPIC_OF_EVENTS: Final = "arn:aws:sns:eu-west-1:210987654321:events.fifo"
RULE: Final = "arn:aws:events:us-east-1:123456789012:rule/bus/orders"
BOUNDARY: Final = "arn:aws:iam::123456789012:policy/team/boundary"
RUNBOOK: Final = "https://wiki.example.com/event-state"

STACKS: Final = ("local", "dev", "prod")
EVERYTHING: Final = "prod with everything"
# Each stack as it is, and prod with everything that can be added to it.
VARIANTS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    **{name: (name, {}) for name in STACKS},
    EVERYTHING: (
        "prod",
        {
            "kmsKeyArn": KEY,
            "alarmEmail": EMAIL,
            "maximumConcurrency": "7",
            "topicArns": json.dumps([TOPIC_OF_EVENTS]),
            "ruleArns": json.dumps([RULE]),
            "permissionsBoundaryArn": BOUNDARY,
            "runbookUrl": RUNBOOK,
            "managedRetries": "true",
            "readBeforeWrite": "true",
            "requireVersion": "true",
            "changeStream": "true",
            "expiryAttribute": "expires_at",
        },
    ),
}


@dataclass(frozen=True)
class Registered:
    """One run of the program, by the resources' names without the component's."""

    run: Run

    @cached_property
    def named(self) -> dict[str, Resource]:
        """Every resource, the component too."""
        return {_own_name(each.name): each for each in self.run.resources}

    def __getitem__(self, name: str) -> Resource:
        return self.named[name]

    def inputs(self, name: str) -> dict[str, Any]:
        """Return a resource's inputs, with every JSON document in them read."""
        return {key: _read(value) for key, value in self[name].inputs.items()}

    def of_type(self, end: str) -> dict[str, Resource]:
        """Return the resources whose type ends so."""
        return {name: each for name, each in self.named.items() if each.type.endswith(f":{end}")}

    def needs(self, name: str) -> set[str]:
        """Return the names of the resources that Pulumi makes before this one."""
        return {_own_name(urn.split("::")[-1]) for urn in self[name].dependencies}


def stack_with(stack: str, **config: str) -> Stack:
    """Load a stack, with some keys set; keys of other namespaces are written aws__region.

    A stack's own region is its owner's choice, and no matter of a test's.
    """
    changes = {key.replace("__", ":"): value for key, value in config.items()}
    return load_stack(stack).with_config({"aws:region": "us-east-1", **changes})


@cache
def registered(stack: str = "prod", **config: str) -> Registered:
    """Run the program."""
    return Registered(preview(stack_with(stack, **config)))


def variant(name: str) -> Registered:
    """Run one of VARIANTS."""
    stack, config = VARIANTS[name]
    return registered(stack, **config)


def _own_name(name: str) -> str:
    return name.removeprefix("event-state-")


def _read(value: object) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
