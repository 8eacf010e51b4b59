"""The pictures of README and docs, from what the program says; the data in them is a sample.

`make pictures` draws them: order.png, dashboard.png, and outage.png from what `python -m
tests.prove.outage` printed.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tools.preview import DASHBOARD, preview
from tools.stacks import PROJECT, load_stack

DOCS: Final = PROJECT / "docs"
BLUE, ORANGE, GREEN, RED, GREY = "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#8c8c8c"
DPI: Final = 140
plt.rcParams |= {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}

# How the events of one id arrive: the minute of their timestamp, their state, what becomes of them.
ARRIVALS: Final = (
    (0, "created", "written"),
    (2, "active", "written"),
    (1, "pending", "late: superseded"),
    (2, "active", "again: changes nothing"),
    (3, "closed", "written"),
)


def order(path: Path) -> None:
    """Draw what remains in the table while events of one id arrive late and repeated."""
    figure, axes = plt.subplots(figsize=(8, 2.9), layout="constrained")
    newest = [max(minute for minute, _, _ in ARRIVALS[: n + 1]) for n in range(len(ARRIVALS))]
    steps = [*newest, newest[-1]]
    axes.step(range(len(steps)), steps, where="post", color=BLUE, linewidth=2, label="the item")
    for n, (minute, state, fate) in enumerate(ARRIVALS):
        is_stored = fate == "written"
        color = BLUE if is_stored else ORANGE
        axes.plot(n, minute, "o" if is_stored else "X", color=color, markersize=9)
        axes.annotate(
            f"{state}\n{fate}", (n, minute), (n + 0.08, minute - 0.16), color=color, va="top"
        )
    axes.set_yticks(range(4), [f"01:0{minute}" for minute in range(4)])
    axes.set_ylim(-0.9, 3.4)
    axes.set_xlim(-0.2, len(ARRIVALS) + 0.1)
    axes.set_xticks(range(len(ARRIVALS)), [str(n + 1) for n in range(len(ARRIVALS))])
    axes.set_xlabel("order of arrival")
    axes.set_ylabel("timestamp")
    axes.set_title("The events of evt-1001 as they arrive, and the item that the table holds")
    figure.savefig(path, dpi=DPI, facecolor="white")
    plt.close(figure)


def dashboard(path: Path) -> None:
    """Draw the dashboard's own widgets where its body puts them, with an hour of sample data."""
    (made,) = [each for each in preview(load_stack("prod")).resources if each.type == DASHBOARD]
    widgets = json.loads(made.inputs["dashboardBody"])["widgets"]
    rows = max(widget["y"] + widget["height"] for widget in widgets)
    figure = plt.figure(figsize=(16, rows * 0.5), facecolor="#f2f3f3")
    for widget in widgets:
        x, y, width, height = (widget[key] for key in ("x", "y", "width", "height"))
        card = figure.add_axes(
            (
                x / 24 + 0.002,
                1 - (y + height) / rows + 0.006,
                width / 24 - 0.004,
                height / rows - 0.012,
            ),
            facecolor="white",
            xticks=[],
            yticks=[],
        )
        card.spines[:].set_visible(False)
        card.text(
            0.02 * 6 / width,
            1 - 0.5 / height,
            widget["properties"]["title"],
            weight="bold",
            va="center",
        )
        if widget["type"] == "alarm":
            _alarms(card, widget["properties"]["alarms"])
        else:
            _graph(card.inset_axes((0.1, 0.34, 0.8, 0.5)), widget["properties"]["metrics"])
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _alarms(axes: Axes, arns: Sequence[str]) -> None:
    columns = 6
    for n, arn in enumerate(arns):
        place = (0.005 + (n % columns) / columns, 0.56 - 0.33 * (n // columns))
        name = arn.rpartition(":")[2].partition("-")[2]
        axes.text(*place, f"● {name}", color=GREEN)


# An hour of a thousand events a minute, by the metric's name: its level, and how much it varies.
_SAMPLES: Final[Mapping[str, tuple[float, float]]] = {
    "NumberOfMessagesSent": (1000, 150),
    "NumberOfMessagesReceived": (1002, 150),
    "InvokedEventCount": (1001, 150),
    "DeletedEventCount": (998, 150),
    "Written": (640, 100),
    "Superseded": (210, 40),
    "Coalesced": (150, 40),
    "SavedWrites": (190, 40),
    "Rejected": (1, 2),
    "Failed": (3, 4),
    "ConsumedWriteCapacityUnits": (850, 120),
    "ApproximateAgeOfOldestMessage": (1, 1),
    "ApproximateNumberOfMessagesVisible": (4, 4),
    "ApproximateNumberOfMessagesNotVisible": (22, 8),
    "ConcurrentExecutions": (5, 2),
    "Duration p50": (8, 1),
    "Duration p99": (24, 6),
    "SuccessfulRequestLatency": (9, 2),
}


def _graph(axes: Axes, metrics: Sequence[Sequence[Any]]) -> None:
    minutes = range(60)
    right = None
    for n, metric in enumerate(metrics):
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        name, stat = metric[1], options.get("stat", "Sum")
        level, spread = _SAMPLES.get(f"{name} {stat}", _SAMPLES.get(name, (0, 0)))
        if "-dlq" in str(metric):
            level, spread = 0, 0
        rng = random.Random(f"{name} {stat}")  # noqa: S311 (a picture)
        burst = [2.2 if 30 <= minute < 36 and level > 100 else 1 for minute in minutes]
        values = [max(0.0, rng.gauss(level * more, spread / 2)) for more in burst]
        target = axes
        if options.get("yAxis") == "right":
            target = right = right or axes.twinx()
            target.patch.set_visible(False)
        label = options.get("label") or (f"{name} {stat}" if stat.startswith("p") else name)
        target.plot(minutes, values, color=f"C{n}", linewidth=1.2, label=label)
    for each in (axes, *([right] if right else [])):
        each.set_ylim(0, max(1, each.get_ylim()[1]))
        each.tick_params(labelsize=7)
    handles = [*axes.get_lines(), *(right.get_lines() if right else ())]
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.1, -0.1),
        frameon=False,
        fontsize=7,
        ncols=2 if len(metrics) > 4 else 1,
    )
    axes.set_xticks(range(0, 60, 15), [f"10:{minute:02}" for minute in range(0, 60, 15)])
    axes.grid(axis="y", color="0.9")


def outage(figures: Mapping[str, Any], path: Path) -> None:
    """Draw what waits, what is stored and what is dead, with and without managed retries.

    figures: as `python -m tests.prove.outage` prints them.
    """
    runs = figures["runs"]
    figure, panels = plt.subplots(
        1, len(runs), figsize=(11, 3.2), sharey=True, layout="constrained"
    )
    for axes, run in zip(panels, runs, strict=True):
        hours = [point["minutes"] / 60 for point in run["series"]]
        for name, color in (("stored", GREEN), ("waiting", ORANGE), ("dead", RED)):
            axes.plot(hours, [point[name] for point in run["series"]], color=color, label=name)
        axes.axvspan(
            run["outage_minutes"][0] / 60,
            run["outage_minutes"][1] / 60,
            color="0.92",
            label="the table is away",
        )
        axes.set_title("managedRetries: true" if run["managed"] else "managedRetries: false")
        axes.set_xlabel("hours")
    panels[0].set_ylim(0, 1.05 * max(run["sent"] for run in runs))
    panels[0].set_ylabel("messages")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=DPI, facecolor="white")
    plt.close(figure)


def main() -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage", type=Path, metavar="FILE", help="what the outage run printed")
    given = parser.parse_args()
    order(DOCS / "order.png")
    dashboard(DOCS / "dashboard.png")
    if given.outage:
        outage(json.loads(given.outage.read_text("utf-8")), DOCS / "outage.png")


if __name__ == "__main__":
    main()
