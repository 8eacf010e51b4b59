"""The picture of the benchmark that stands in README."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

# As a reader of the plot knows them.
NAMES = {
    "handler": "this",
    "client_loop": "boto3 loop",
    "threads": "boto3 on threads",
    "resource_loop": "boto3 resource loop",
    "powertools_batch": "Powertools batch",
    "powertools_idempotency": "Powertools idempotency",
}
BLUES = ("#9ecae1", "#4292c6", "#08519c")
plt.rcParams |= {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.size": 9,
    "legend.frameon": False,
    "savefig.dpi": 140,
}


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Draw wall time, CPU time and first write of every variant, on linear axes from zero."""
    variants = figures["variants"]
    names = list(variants)[::-1]  # the first on top
    panels: dict[str, dict[str, list[float]]] = {
        title: {
            f"{n} events": [variants[name][key][n] for name in names]
            for n in variants["client_loop"][key]
        }
        for title, key in (
            ("Wall time per batch, boto3 loop = 1", "wall_ratio"),
            ("CPU time per event, boto3 loop = 1", "cpu_ratio"),
        )
    }
    panels["Import to first write, ms"] = {"": [variants[name]["first_write_ms"] for name in names]}
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
    for axis, (title, series) in zip(axes, panels.items(), strict=True):
        height = 0.8 / len(series)
        for i, (label, values) in enumerate(series.items()):
            places = [y + 0.4 - height * (i + 0.5) for y in range(len(names))]
            color = BLUES[i] if len(series) > 1 else BLUES[1]
            bars = axis.barh(places, values, height * 0.9, color=color, label=label)
            form = "%.2f" if len(series) > 1 else "%.0f"
            axis.bar_label(bars, fmt=form, padding=3, fontsize=8)
        axis.set_title(title)
        axis.set_yticks(range(len(names)), [NAMES.get(name, name) for name in names])
        axis.tick_params(axis="y", length=0)
        axis.margins(x=0.12)
    axes[0].legend(title="batch of", loc="upper right")
    figure.supxlabel(
        f"Shorter is better. Stub of DynamoDB, TLS, {figures['latency_ms']:g} ms a write; "
        "medians over interleaved runs.",
        fontsize=9,
    )
    figure.savefig(path, facecolor="white")
