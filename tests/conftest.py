"""What all tests share: a host that cannot reach into them, and one deployment to test against."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.session
import pytest
from pulumi.runtime import mocks as pulumi_mocks
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tools.flow.deployed import Flow, wait_for
from tools.local.deployer import Deployer
from tools.local.emulator import Emulator
from tools.local.program import run
from tools.local.stacks import load_stack

DRAIN_SECONDS: Final = 120.0
# Below the visibility timeout of the stack `local`, 6 s.
FUNCTION_SECONDS: Final = 5

# Before any test module is imported: what the host sets must not decide what a test sees.
for _name in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
    del os.environ[_name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

# AWS's models are read once, and not for each session: there are thousands of clients here.
botocore.session.create_loader = cache(botocore.session.create_loader)


# Quick or independent tests go to whoever is free; those of other files stay together, so that what
# their fixtures start is started once.
APART: Final = re.compile(
    r"tests/(function|\w+\.py)|test_(prove|leaks|survival|commands|demo|watch|aws_rules|capacity)\.py"
)
# Rooms whose tests wait for queues: they come first, beside each other, and the quick ones last.
WAITING: Final = ("prove", "local", "flow", "producer", "bench")


class _Scheduler(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if APART.search(file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduler:
    """Say what goes to one worker of pytest-xdist."""
    config.option.loadscopereorder = False
    return _Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits, longest first."""
    rooms = {name: place for place, name in enumerate(WAITING)}
    items.sort(key=lambda item: rooms.get(item.path.parent.name, len(rooms)))


# What the tests reckon with, whatever `pulumi config set` has put into the stack's file.
PINNED: Final = {
    "batchSize": 10,
    "batchWindowSeconds": 0,
    "functionTimeoutSeconds": 1,
    "maxReceiveCount": 2,
    "versionAttribute": "timestamp",
}


class PatientDeployer(Deployer):
    """Gives the function more than the second that the stack `local` does.

    On a busy machine a good message would run out of time, and of its two deliveries.
    """

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Create the resource, the function with its longer timeout."""
        if args.typ == "aws:lambda/function:Function":
            args.inputs = {**args.inputs, "timeout": FUNCTION_SECONDS}
        return super().new_resource(args)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The program, deployed with the stack `local` to an embedded AWS."""

    aws: Emulator
    outputs: dict[str, Any]
    flow: Flow

    def drain(self) -> None:
        """Wait until the queue is empty."""
        assert wait_for(lambda: not self.flow.waiting(), DRAIN_SECONDS, every=0.05)


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """Deploy once for all tests of a worker: each test uses event_ids of its own."""
    stack = load_stack("local").with_config(PINNED)
    with Emulator(region=stack.region) as aws:
        outputs = dict(run(stack, PatientDeployer(aws, stack)).outputs)
        yield Deployment(aws=aws, outputs=outputs, flow=Flow(outputs))
