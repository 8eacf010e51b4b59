"""What all tests share: a host that cannot reach into them, and one deployment to test against."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.session
import pytest

from tools.deployed import Deployed, wait_for
from tools.emulator import Emulator
from tools.stacks import load_stack
from tools.template import Template, make_template
from tools.up import deploy

# Before any test module is imported: what the host sets must not decide what a test sees.
for _name in list(os.environ):
    if _name.startswith(("AWS_", "PULUMI_")) or _name.lower() in ("http_proxy", "https_proxy"):
        del os.environ[_name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

# AWS's models are read once, and not for each session: there are thousands of clients here.
botocore.session.create_loader = cache(botocore.session.create_loader)


# What the tests reckon with, whatever `pulumi config set` has put into the stack's file.
PINNED: Final = {
    "batchSize": 10,
    "batchWindowSeconds": 0,
    "functionTimeoutSeconds": 1,
    "managedRetries": True,
    "maxReceiveCount": 2,
    "versionAttribute": "timestamp",
}


def patient(template: Template) -> Template:
    """Give the functions more than the second that the stack `local` does.

    On a busy machine a good message would run out of time, and of its two deliveries.
    """
    for resource in template.body["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Timeout"] = 5  # less than the visibility timeout, 6 s
    return template


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The program, deployed with the stack `local` to an embedded AWS."""

    aws: Emulator
    outputs: dict[str, Any]
    deployed: Deployed

    def drain(self) -> None:
        """Wait until the queue is empty."""
        assert wait_for(lambda: not self.deployed.waiting(), 120, every=0.05)


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """Deploy once for all tests of a worker: each test uses event_ids of its own."""
    stack = load_stack("local").with_config(PINNED)
    with Emulator(region=stack.region) as aws:
        outputs = deploy(aws, patient(make_template(stack)))
        yield Deployment(aws=aws, outputs=outputs, deployed=Deployed(outputs))
