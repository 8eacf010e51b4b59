"""What a script sees of an estimate, and what a person does."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from tools.capacity import model
from tools.capacity.aws import QUOTAS
from tools.capacity.model import Load, Quantity, Setup
from tools.capacity.quotas import quota_uses
from tools.capacity.step import step

_QUANTITIES: Final[Mapping[str, tuple[Quantity, str]]] = {
    "messages_per_invocation": (model.messages_per_invocation, ""),
    "invocations": (model.invocations, "per second"),
    "duration_ms": (model.duration_ms, "of an invocation"),
    "concurrency": (model.concurrency, "executions at once"),
    "readers": (model.readers, "batches of the mapping at once"),
    "in_flight": (model.in_flight, "messages"),
    "writes": (model.writes, "per second"),
    "write_units": (model.write_units, "per second"),
    "hot_write_units": (model.hot_write_units, "per second, to the hottest id"),
    "sqs_requests": (model.sqs_requests, "per second, as billed"),
    "new_table_minutes": (model.new_table_minutes, "of growing until a new table takes it"),
}


def figures(
    load: Load, setup: Setup, limits: Mapping[str, float], usd: Mapping[str, float]
) -> dict[str, Any]:
    """Return all that the model has to say of a load; None is never."""
    cost = model.cost_per_month(load, setup, usd)
    uses = quota_uses(load, setup, limits)
    after_step = asdict(step(load, setup, uses["mapping_concurrency"].limit))
    return {
        "load": asdict(load),
        "setup": asdict(setup),
        **{name: quantity(load, setup) for name, (quantity, _) in _QUANTITIES.items()},
        "met_first": next(iter(uses)),
        "quotas": {name: asdict(use) for name, use in uses.items()},
        "step": {name: None if math.isinf(value) else value for name, value in after_step.items()},
        "cost_per_month": {**cost, "total": sum(cost.values())},
        "cost_per_million_events": sum(cost.values()) / load.rate / model.SECONDS_PER_MONTH * 1e6,
    }


def show(found: Mapping[str, Any]) -> None:
    """Print the figures as tables on stdout."""
    quotas, cost, load = found["quotas"], found["cost_per_month"], found["load"]
    values = [(name, found[name], unit) for name, (_, unit) in _QUANTITIES.items()]
    values += [(name, value, "after a step from 0") for name, value in found["step"].items()]
    first = found["met_first"]
    print_table(
        f"Met first, at {short(quotas[first]['met_at_rate'])} events/s: {QUOTAS[first].title}",
        ("", "used", "limit", "met at events/s"),
        [(QUOTAS[name].title, *map(short, use.values())) for name, use in quotas.items()],
    )
    print_table(
        f"Needed by {short(load['rate'])} events/s of {load['size_bytes']} bytes",
        ("", "needed", ""),
        [(name.replace("_", " "), short(value), unit) for name, value, unit in values],
    )
    print_table(
        f"A month in US dollars; a million events cost {found['cost_per_million_events']:.2f}",
        ("", "cost", "of it"),
        [
            (name.replace("_", " "), f"{usd:,.2f}", f"{usd / cost['total']:.0%}")
            for name, usd in cost.items()
        ],
    )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; columns with a name are figures."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name else "left")
    for row in rows:
        table.add_row(*row)
    console.print(title, table, sep="\n")


def short(value: float | None) -> str:
    """Return the figure with three digits, or all those of a larger number; None is never."""
    if value is None:
        return "never"
    return f"{value:,.0f}" if value >= 100 else f"{round(value, 6):.3g}"
