"""What all tests share: a host that cannot reach into them, and one deployment to test against."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from flow.deployed import Flow, wait_for
from local.deployer import Deployer
from local.emulator import Emulator
from local.program import run
from local.stacks import load_stack

DRAIN_SECONDS: Final = 120.0

# Before any test module is imported: what the host sets must not decide what a test sees.
for _name in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
    del os.environ[_name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


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
    stack = load_stack("local")
    with Emulator(region=stack.region) as aws:
        outputs = dict(run(stack, Deployer(aws, stack)).outputs)
        yield Deployment(aws=aws, outputs=outputs, flow=Flow(outputs))
