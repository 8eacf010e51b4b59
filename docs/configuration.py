"""Writes the tables of configuration.md anew, from what Pulumi itself reads of the component."""

import re
from pathlib import Path

from pulumi.provider.experimental.analyzer import Analyzer

from infra.event_state import EventState

PAGE = Path(__file__).with_suffix(".md")
PROGRAM = Path(__file__).parents[1] / "__main__.py"


def page() -> str:
    """Return the page with its two tables written anew: the keys, and the outputs."""
    found = Analyzer("event-state").analyze([EventState])["component_definitions"]["EventState"]
    exported = re.findall(r'export\("(\w+)"', PROGRAM.read_text("utf-8"))
    keys, outputs = (
        {name: " ".join((each.description or "").split()) for name, each in described.items()}
        for described in (found.inputs, found.outputs)
    )
    is_exported = {key: "yes" if key in exported else "" for key in outputs}
    tables = iter(
        (
            [f"| `{key}` | {words} |\n" for key, words in keys.items()],
            [f"| `{key}` | {is_exported[key]} | {words} |\n" for key, words in outputs.items()],
        )
    )
    rows = re.compile(r"(?<=---\|\n)(?:\|.*\n)*")
    return rows.sub(lambda _: "".join(next(tables)), PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
