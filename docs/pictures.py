"""Draws README's and these pages' pictures, from what the program and its measurements say.

demo.svg, order.png and dashboard.png (of an hour of sample data); outage.png of what `python -m
tests.prove.outage` prints; handler.png of what `python -m tools.bench.handler --json` prints.
"""

import argparse
import io
import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rich.console import Console

from tools.demo import demo
from tools.preview import DASHBOARD, preview
from tools.stacks import load_stack

DOCS: Final = Path(__file__).parent
BLUE, ORANGE, GREEN, RED = "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"
plt.rcParams |= {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.size": 9,
    "legend.frameon": False,
    "savefig.dpi": 140,
    "savefig.facecolor": "white",
}

# How the events of one id arrive: the minute of their timestamp, their state, what becomes of them.
ARRIVALS: Final = (
    (0, "created", "written"),
    (2, "active", "written"),
    (1, "pending", "late: superseded"),
    (2, "active", "again: changes nothing"),
    (3, "closed", "written"),
)
# Of an hour, a minute's level of what is not a handful.
LEVELS: Final = {
    "-dlq|Errors|Throttle": 0,
    "Sent|Received|EventCount": 1000,
    "Consumed": 850,
    "Written": 640,
    "Superseded|SavedWrites|Coalesced": 200,
    "NotVisible|p99": 23,
    "p50|Latency": 9,
}
# Variants of the benchmark as a reader of the plot knows them.
NAMES: Final = {
    "handler": "this",
    "client_loop": "boto3 loop",
    "threads": "boto3 on threads",
    "resource_loop": "boto3 resource loop",
    "powertools_batch": "Powertools batch",
    "powertools_idempotency": "Powertools idempotency",
}
BLUES: Final = ("#9ecae1", "#4292c6", "#08519c")


def terminal() -> None:
    """Draw what the demo shows on a terminal."""
    console = Console(highlight=False, record=True, file=io.StringIO())
    demo(console)
    console.save_svg(str(DOCS / "demo.svg"), title="make demo")


def order() -> None:
    """Draw what remains in the table while events of one id arrive late and repeated."""
    figure, axes = plt.subplots(figsize=(8, 2.9), layout="constrained")
    count = len(ARRIVALS)
    newest = [max(minute for minute, _, _ in ARRIVALS[: n + 1]) for n in range(count)]
    axes.step(range(count + 1), [*newest, newest[-1]], where="post", color=BLUE, linewidth=2)
    for n, (minute, state, fate) in enumerate(ARRIVALS):
        color, marker = (BLUE, "o") if fate == "written" else (ORANGE, "X")
        axes.plot(n, minute, marker, color=color, markersize=9)
        axes.text(n + 0.08, minute - 0.16, f"{state}\n{fate}", color=color, va="top")
    axes.set_yticks(range(4), [f"01:0{minute}" for minute in range(4)])
    axes.set_xticks(range(count), [str(n + 1) for n in range(count)])
    axes.set(xlim=(-0.2, count + 0.1), ylim=(-0.9, 3.4))
    axes.set(xlabel="order of arrival", ylabel="timestamp")
    axes.set_title("The events of evt-1001 as they arrive, and the item that the table holds")
    figure.savefig(DOCS / "order.png")


def dashboard() -> None:
    """Draw the dashboard's own widgets where its body puts them, with an hour of sample data."""
    (made,) = [each for each in preview(load_stack("prod")).resources if each.type == DASHBOARD]
    widgets = json.loads(made.inputs["dashboardBody"])["widgets"]
    rows = max(widget["y"] + widget["height"] for widget in widgets)
    figure = plt.figure(figsize=(16, rows * 0.5))
    for widget in widgets:
        x, y, width, height = (widget[key] for key in ("x", "y", "width", "height"))
        left, bottom = x / 24 + 0.002, 1 - (y + height) / rows + 0.006
        card = figure.add_axes((left, bottom, width / 24 - 0.004, height / rows - 0.012))
        card.set(xticks=[], yticks=[])
        card.spines[:].set_visible(False)
        title = widget["properties"]["title"]
        card.text(0.12 / width, 1 - 0.5 / height, title, weight="bold", va="center")
        if widget["type"] == "alarm":
            for n, arn in enumerate(widget["properties"]["alarms"]):
                name = arn.rpartition(":")[2].partition("-")[2]
                card.text(0.005 + n % 6 / 6, 0.56 - 0.33 * (n // 6), f"● {name}", color=GREEN)
        else:
            _graph(card.inset_axes((0.1, 0.34, 0.8, 0.5)), widget["properties"]["metrics"])
    figure.savefig(DOCS / "dashboard.png", dpi=100, facecolor="#f2f3f3")


def _graph(axes: Axes, metrics: Sequence[Sequence[Any]]) -> None:
    right, lines = axes.twinx(), []
    right.patch.set_visible(False)
    for n, metric in enumerate(metrics):
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        stat = options.get("stat", "")
        full = f"{metric[1]} {stat}" if stat.startswith("p") else metric[1]
        found = (level for form, level in LEVELS.items() if re.search(form, f"{full} {metric}"))
        level, rng = next(found, 3), random.Random(full)  # noqa: S311 (a picture)
        burst = [2.2 if 30 <= minute < 36 and level > 100 else 1 for minute in range(60)]
        values = [max(0.0, rng.gauss(level * more, level / 12)) for more in burst]
        target = right if options.get("yAxis") == "right" else axes
        label = options.get("label", full)
        lines += target.plot(values, color=f"C{n}", linewidth=1.2, label=label)
    for each in (axes, right):
        each.set_ylim(0, max(1, each.get_ylim()[1]))
        each.tick_params(labelsize=7)
    right.set_axis_on() if any(line.axes is right for line in lines) else right.set_axis_off()
    columns = 2 if len(metrics) > 4 else 1
    axes.legend(handles=lines, loc=2, bbox_to_anchor=(-0.1, -0.1), fontsize=7, ncols=columns)
    axes.set_xticks(range(0, 60, 15), [f"10:{minute:02}" for minute in range(0, 60, 15)])
    axes.grid(axis="y", color="0.9")


def outage(figures: Mapping[str, Any]) -> None:
    """Draw what waits, what is stored and what is dead, with and without managed retries.

    figures: as `python -m tests.prove.outage` prints them.
    """
    runs = figures["runs"]
    figure, panels = plt.subplots(1, 2, figsize=(11, 3.2), sharey=True, layout="constrained")
    for axes, run in zip(panels, runs, strict=True):
        hours = [point["minutes"] / 60 for point in run["series"]]
        for name, color in (("stored", GREEN), ("waiting", ORANGE), ("dead", RED)):
            axes.plot(hours, [point[name] for point in run["series"]], color=color, label=name)
        begin, end = (minutes / 60 for minutes in run["outage_minutes"])
        axes.axvspan(begin, end, color="0.92", label="the table is away")
        axes.set_title(f"managedRetries: {str(run['managed']).lower()}")
        axes.set_xlabel("hours")
    panels[0].set(ylim=(0, 1.05 * max(run["sent"] for run in runs)), ylabel="messages")
    panels[0].legend()
    figure.savefig(DOCS / "outage.png")


def handler(figures: Mapping[str, Any]) -> None:
    """Draw wall time, CPU time and first write of every variant, on linear axes from zero."""
    rows = {NAMES.get(name, name): row for name, row in figures["variants"].items()}
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
    sizes, places = list(figures["floor_ratio"]), range(len(rows))
    height = 0.8 / len(sizes)
    for axis, key, title in (
        (axes[0], "wall_ratio", "Wall time per batch, boto3 loop = 1"),
        (axes[1], "cpu_ratio", "CPU time per event, boto3 loop = 1"),
    ):
        for nth, (size, color) in enumerate(zip(sizes, BLUES, strict=False)):
            ys = [y - 0.4 + height * (nth + 0.5) for y in places]
            values = [row[key][size] for row in rows.values()]
            bars = axis.barh(ys, values, height * 0.9, color=color, label=f"{size} events")
            axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        axis.set_title(title)
    bars = axes[2].barh(places, [row["first_write_ms"] for row in rows.values()], color=BLUES[1])
    axes[2].bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes[2].set_title("Import to first write, ms")
    axes[0].set_yticks(places, list(rows))
    axes[0].invert_yaxis()
    axes[0].legend(title="batch of")
    for axis in axes:
        axis.margins(x=0.12)
    figure.supxlabel(
        f"Shorter is better. Stub of DynamoDB, TLS, {figures['latency_ms']:g} ms a write; "
        "medians over interleaved runs.",
        fontsize=9,
    )
    figure.savefig(DOCS / "handler.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage", type=Path, metavar="FILE", help="what the outage run printed")
    parser.add_argument("--handler", type=Path, metavar="FILE", help="what the benchmark printed")
    given = parser.parse_args()
    if given.handler:
        handler(json.loads(given.handler.read_text("utf-8")))
    if given.outage:
        outage(json.loads(given.outage.read_text("utf-8")))
        terminal()
        order()
        dashboard()
