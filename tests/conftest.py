"""What all tests share: a host that cannot reach into them, and one deployment to test against."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.session
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

# AWS's models are read once, and not for each session: there are thousands of clients here.
botocore.session.create_loader = cache(botocore.session.create_loader)


# Fixtures with an embedded AWS: the tests of each go to one worker, which starts it once.
SHARED: Final = ("deployment", "deployed", "fanned_in", "guarded", "target")
# Rooms whose tests take long: they come first, so that no worker ends up alone with one.
LONG: Final = ("prove", "local", "flow", "benchmarks", "infra")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group and order the tests for pytest-xdist's `--dist loadgroup`."""
    for item in items:
        for name in SHARED:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: item.path.parent.name not in LONG)


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
