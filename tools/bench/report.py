"""What a person sees of the benchmark: progress, tables and the plot of its figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from tools.console import make_table

Figures = Mapping[str, Any]

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


@contextmanager
def progress() -> Iterator[Callable[[str], object]]:
    """Yield the function to call with a few words before each step: shown on a terminal."""
    with Console(stderr=True, highlight=False).status("") as status:
        yield status.update


def tables(figures: Figures) -> None:
    """Print the figures as tables on stdout."""
    console = Console(highlight=False)
    variants, where = figures["variants"], figures["environment"]
    base = variants["client_loop"]
    sizes = list(base["wall_ms"])

    def show(title: str, columns: Sequence[object], *rows: Sequence[str]) -> None:
        table = make_table(title, ["", *map(str, columns)])
        for row in rows:
            table.add_row(*row)
        console.print(table)

    show(
        f"Batches of {', '.join(sizes)} events at {figures['latency_ms']:g} ms a write over TLS, "
        "as ratios to client_loop",
        [*(f"{what} {n}" for what in ("wall", "CPU") for n in sizes), "first write"],
        *(
            [
                name,
                *(f"{row[key][n]:.2f}" for key in ("wall_ratio", "cpu_ratio") for n in sizes),
                f"{row['first_write_ms']:.0f} ms",
            ]
            for name, row in variants.items()
        ),
        ["round trips alone", *(f"{figures['floor_ratio'][n]:.2f}" for n in sizes)],
        [
            "client_loop, ms",
            *(f"{base[key][n]:.3g}" for key in ("wall_ms", "cpu_ms_per_event") for n in sizes),
        ],
    )
    memory, of = figures["memory"], figures["limited"]
    quota = "" if where["cpu_quota"] else " (NOT LIMITED: no CPU quota could be set here)"
    show(
        f"Batches of 10 with the share of a CPU that Lambda gives to so many MB{quota}",
        memory,
        ["handler, ms", *(f"{row['wall_ms']:.1f}" for row in memory.values())],
        ["US$ a million events", *(f"{row['usd_per_million']:.3f}" for row in memory.values())],
        ["ratio", *(f"{of[mb]['handler']['wall_ratio']:.2f}" if mb in of else "" for mb in memory)],
    )
    for percent, writes in figures["debounce"].items():
        console.print(f"{percent} % repeated ids: {writes['handler']:.2f} writes per message")
    console.print("Under AWS's runtime client: init {init_ms:.0f} ms".format(**figures["runtime"]))
    console.print("Python {python}, boto3 {boto3}, {cpus} CPUs, {system} {machine}".format(**where))


def plot(figures: Figures, path: Path) -> None:
    """Draw wall time, CPU time and first write of every variant, on linear axes from zero."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

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
    with plt.rc_context({"axes.spines.right": False, "axes.spines.top": False}):
        figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
        for axis, (title, series) in zip(axes, panels.items(), strict=True):
            height = 0.8 / len(series)
            for i, (label, values) in enumerate(series.items()):
                places = [y + 0.4 - height * (i + 0.5) for y in range(len(names))]
                color = BLUES[i] if len(series) > 1 else BLUES[1]
                bars = axis.barh(places, values, height * 0.9, color=color, label=label)
                form = "%.2f" if len(series) > 1 else "%.0f"
                axis.bar_label(bars, fmt=form, padding=3, fontsize=8)
            axis.set_title(title, fontsize=10, loc="left")
            axis.set_yticks(range(len(names)), [NAMES.get(name, name) for name in names])
            axis.tick_params(axis="y", length=0)
            axis.margins(x=0.12)
        axes[0].legend(title="batch of", loc="upper right", frameon=False, fontsize=9)
        figure.supxlabel(
            f"Shorter is better. Stub of DynamoDB, TLS, {figures['latency_ms']:g} ms a write; "
            "medians over interleaved runs.",
            fontsize=9,
        )
        figure.savefig(path, dpi=140, facecolor="white")
        plt.close(figure)
