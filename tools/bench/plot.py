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


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Draw wall time, CPU time and first write of every variant, on linear axes from zero."""
    rows = {NAMES.get(name, name): row for name, row in figures["variants"].items()}
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
    for axis, key, title in (
        (axes[0], "wall_ratio", "Wall time per batch, boto3 loop = 1"),
        (axes[1], "cpu_ratio", "CPU time per event, boto3 loop = 1"),
    ):
        sizes = list(figures["floor_ratio"])
        height = 0.8 / len(sizes)
        for place, (size, color) in enumerate(zip(sizes, BLUES, strict=False)):
            ys = [y - 0.4 + height * (place + 0.5) for y in range(len(rows))]
            values = [row[key][size] for row in rows.values()]
            bars = axis.barh(ys, values, height * 0.9, color=color, label=f"{size} events")
            axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        axis.set_title(title, fontsize=10)
    bars = axes[2].barh(
        range(len(rows)), [r["first_write_ms"] for r in rows.values()], color=BLUES[1]
    )
    axes[2].bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes[2].set_title("Import to first write, ms", fontsize=10)
    axes[0].set_yticks(range(len(rows)), list(rows))
    axes[0].invert_yaxis()
    axes[0].legend(title="batch of", frameon=False)
    for axis in axes:
        axis.margins(x=0.12)
        axis.spines[["right", "top"]].set_visible(False)
    figure.supxlabel(
        f"Shorter is better. Stub of DynamoDB, TLS, {figures['latency_ms']:g} ms a write; "
        "medians over interleaved runs.",
        fontsize=9,
    )
    figure.savefig(path, facecolor="white", dpi=140)
