"""The tables of docs/configuration.md, from what Pulumi itself reads of the component."""

import re
from typing import Final

from pulumi.provider.experimental.analyzer import Analyzer

from tools.stacks import PROJECT

PAGE: Final = PROJECT / "docs" / "configuration.md"


def page() -> str:
    """Return the page with its two tables written anew: the keys, and the outputs."""
    from infra.event_state import EventState  # slow to import

    found = Analyzer("event-state").analyze([EventState])["component_definitions"]["EventState"]
    exported = re.findall(r'export\("(\w+)"', (PROJECT / "__main__.py").read_text("utf-8"))
    keys, outputs = (
        {name: " ".join((each.description or "").split()) for name, each in described.items()}
        for described in (found.inputs, found.outputs)
    )
    tables = iter(
        (
            [f"| `{key}` | {words} |\n" for key, words in keys.items()],
            [
                f"| `{key}` | {'yes' if key in exported else ''} | {words} |\n"
                for key, words in outputs.items()
            ],
        )
    )
    rows = re.compile(r"(?<=---\|\n)(?:\|.*\n)*")
    return rows.sub(lambda _: "".join(next(tables)), PAGE.read_text("utf-8"))
