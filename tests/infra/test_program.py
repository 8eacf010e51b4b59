"""Unit tests in the style of Pulumi's own examples: nothing here but Pulumi and the component.

Copy this file beside a program of your own and change what it expects.
https://www.pulumi.com/docs/iac/guides/testing/unit/
"""

# mypy: disable-error-code="untyped-decorator"
import asyncio
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from infra.event_state import EventState


class Mocks(pulumi.runtime.Mocks):
    """Answers each registration with what AWS would compute."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Return the resource's id and its state."""
        arn = f"arn:aws:service:eu-west-1:123456789012:{args.name}"
        return f"{args.name}-id", {"arn": arn, "url": f"https://queue/{args.name}", **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Answer a provider's function; the component calls none."""
        return {}, None


@pytest.fixture(autouse=True)
def mocks() -> Iterator[None]:
    with asyncio.Runner() as runner:  # Pulumi looks for an event loop, and Python makes none
        runner.get_loop()
        pulumi.runtime.set_mocks(Mocks(), project="shop", stack="test")
        yield


@pulumi.runtime.test
def test_it_has_our_key_and_names_of_its_own_in_the_providers_region() -> pulumi.Output[None]:
    orders = EventState("orders", {"key_attribute": "order_id"})

    def check(outputs: list[str]) -> None:
        *attributes, table, dashboard = outputs
        assert attributes == ["order_id", "timestamp"]
        assert table == "orders-test"
        assert dashboard.startswith("https://eu-west-1.console.aws.amazon.com/")

    return pulumi.Output.all(
        orders.key_attribute, orders.version_attribute, orders.table_name, orders.dashboard_url
    ).apply(check)


def test_a_mistake_is_said_before_anything_is_registered() -> None:
    with pytest.raises(pulumi.RunError, match="batch_size is 0: it must be a whole number"):
        EventState("orders", {"batch_size": 0})
