"""Serves the component to the Pulumi engine, which knows the language of no program."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pulumi
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.analyzer import ComponentDefinition
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError
from pydantic.alias_generators import to_camel

from infra.event_state import EventState
from infra.problems import ArgumentsError


class Provider(ComponentProvider):
    """Pulumi's own host for components, but for what it says to people."""

    def __init__(self) -> None:
        super().__init__([EventState], "event-state")
        # Descriptions are docstrings as they stand in the source: on one line here.
        self.schema = re.sub(r"\\n +", " ", str(self.schema))

    def map_inputs(
        self, inputs: pulumi.Inputs, component_def: ComponentDefinition
    ) -> dict[str, pulumi.Input[Any]]:
        """Name the arguments as Python does; of their types it would report the first wrong one."""
        names = component_def.inputs_mapping
        return {names.get(key, key): value for key, value in inputs.items()}

    def construct(self, name: str, *args: Any, **options: Any) -> ConstructResult:
        """Make a component; say what is wrong with its arguments as other languages spell them."""
        try:
            return super().construct(name, *args, **options)
        except ComponentInitError as error:
            if isinstance(error.inner, ArgumentsError):  # else with the stack, as a bug of ours
                said = ArgumentsError(name, error.inner.problems, to_camel)
                raise pulumi.InputPropertiesError(str(said), []) from None
            raise


if __name__ == "__main__":
    main(Provider(), sys.argv[1:])
