"""What a person sees of the benchmark: progress, tables and the plot of its figures."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Figures = dict[str, Any]

# As a reader of the plot knows them.
NAMES = {
    "handler": "this",
    "client_loop": "boto3 loop",
    "threads": "boto3 on threads",
    "resource_loop": "boto3 resource loop",
    "powertools_batch": "Powertools batch",
    "powertools_idempotency": "Powertools idempotency",
}


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """Show progress on stderr, as a bar on a terminal and as lines elsewhere.

    Yields the function to call with a few words before each of the steps.
    """
    console = Console(stderr=True, highlight=False)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=steps)
        begun = itertools.count(1)

        def advance(words: str) -> None:
            step = next(begun)
            bar.update(task, completed=step - 1, description=words)
            if not console.is_terminal:
                console.print(f"{step} of {steps}: {words}", soft_wrap=True)

        yield advance
        bar.update(task, completed=steps, description="done")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def tables(figures: Figures) -> None:
    """Print the figures as tables on stdout."""
    console = Console(highlight=False)
    variants, limited = figures["variants"], figures["limited"]
    base = variants["client_loop"]
    sizes = list(base["wall_ms"])
    where = figures["environment"]

    def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        console.print(_table(title, columns, rows))

    floor = [f"{figures['floor_ratio'][n]:.2f}" for n in sizes]
    show(
        f"Batches of {', '.join(sizes)} events at {figures['latency_ms']:g} ms a write over TLS, "
        "as ratios to client_loop",
        [
            "",
            *(f"{what}\n{n}" for what in ("wall", "CPU") for n in sizes),
            "import to\nfirst write",
        ],
        [
            *(
                [
                    name,
                    *(f"{row[key][n]:.2f}" for key in ("wall_ratio", "cpu_ratio") for n in sizes),
                    f"{row['first_write_ms']:.0f} ms",
                ]
                for name, row in variants.items()
            ),
            ["round trips alone, as many at once", *floor],
        ],
    )
    show(
        "What the ratios stand on",
        ["", *(f"{n} events" for n in sizes)],
        [
            ["client_loop, wall of a batch", *(f"{base['wall_ms'][n]:.0f} ms" for n in sizes)],
            [
                "client_loop, CPU of an event",
                *(f"{base['cpu_ms_per_event'][n]:.2f} ms" for n in sizes),
            ],
        ],
    )
    quota = "" if where["cpu_quota"] else " (NOT LIMITED: no CPU quota could be set here)"
    show(
        f"Batches of 10 with the share of a CPU that Lambda gives to so many MB{quota}",
        ["", *(f"{memory} MB" for memory in limited)],
        [
            [
                name,
                *(
                    f"{of[name]['wall_ratio']:.2f} ({of[name]['wall_ms']:.0f} ms)"
                    for of in limited.values()
                ),
            ]
            for name in ("handler", "client_loop")
        ],
    )
    memory = figures["memory"]
    show(
        "The handler by memory, batches of 10",
        ["", *(f"{mb} MB" for mb in memory)],
        [
            ["wall of a batch", *(f"{row['wall_ms']:.1f} ms" for row in memory.values())],
            [
                "Lambda, a million events",
                *(f"${row['usd_per_million']:.3f}" for row in memory.values()),
            ],
        ],
    )
    show(
        "Writes per message, by the share of messages that repeat an id of their batch",
        ["", *(f"{percent} %" for percent in figures["debounce"])],
        [
            [name, *(f"{writes[name]:.2f}" for writes in figures["debounce"].values())]
            for name in ("handler", "client_loop")
        ],
    )
    console.print(
        f"Python {where['python']}, boto3 {where['boto3']}, {where['cpus']} CPUs, "
        f"{where['system']} {where['machine']}. Medians over interleaved runs."
    )


def plot(figures: Figures, path: Path) -> None:
    """Draw wall time, CPU time and first write of every variant, on linear axes from zero."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    variants = figures["variants"]
    names = list(variants)[::-1]  # the first on top
    sizes = list(variants["client_loop"]["wall_ms"])
    series = [
        ("Wall time per batch, boto3 loop = 1", [("wall_ratio", n) for n in sizes]),
        ("CPU time per event, boto3 loop = 1", [("cpu_ratio", n) for n in sizes]),
        ("Import to first write, ms", [("first_write_ms", None)]),
    ]
    blues = ["#9ecae1", "#4292c6", "#08519c"]
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    with plt.rc_context({"axes.spines.right": False, "axes.spines.top": False}):
        figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
        for axis, (title, keys) in zip(axes, series, strict=True):
            height = 0.8 / len(keys)
            for i, (key, n) in enumerate(keys):
                values = [variants[name][key] for name in names]
                bars = axis.barh(
                    [y + 0.4 - height * (i + 0.5) for y in range(len(names))],
                    values if n is None else [by_size[n] for by_size in values],
                    height * 0.9,
                    color="#4292c6" if n is None else blues[i],
                    label=f"{n} events",
                )
                axis.bar_label(
                    bars, fmt="%.0f" if n is None else "%.2f", padding=3, fontsize=8, bbox=behind
                )
            if len(keys) > 1:
                axis.axvline(1, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
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
