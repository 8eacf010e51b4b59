"""What a person sees of the capacity model: an estimate, the simulation, and the plots."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.aws_limits import PRICES, QUOTAS
from benchmarks.capacity import Estimate, Load, Setup, estimate

_COLOURS: Final = ("#08519c", "#d94801", "#238b45", "#6a51a3", "#252525")


def show(load: Load, setup: Setup, result: Estimate, usd: Mapping[str, float]) -> None:
    """Print what the load needs, meets and costs as tables on stdout."""
    console = _console()
    first = result.quotas[0]
    console.print(
        f"Met first, at {_short(first.met_at_rate or math.inf)} events/s: {first.title}.\n"
    )
    _print(
        console,
        f"{_short(load.rate)} events/s of {load.size_bytes} bytes",
        (f"batch {setup.batch_size}, window {setup.batch_window_seconds} s", "", ""),
        [
            ("messages per invocation", _short(result.batch), ""),
            ("invocations", _short(result.invocations), "per second"),
            ("handler", _short(result.handler_ms), "ms per invocation"),
            ("Lambda concurrency", _short(result.concurrency), "executions at once"),
            ("mapping's readers", _short(result.readers), "batches at once"),
            ("messages in flight", _short(result.in_flight), ""),
            ("writes", _short(result.writes), "per second"),
            ("write units", _short(result.write_units), "per second"),
            ("messages debounced", f"{result.debounced:.1%}", "need no write"),
            ("SQS sends", _short(result.sqs_sends), "requests per second"),
            ("SQS receives", _short(result.sqs_receives), "requests per second"),
            ("SQS deletes", _short(result.sqs_deletes), "requests per second"),
        ],
    )
    _print(
        console,
        "Quotas, the one that is met first on top",
        ("", "used", "limit", "", "met at events/s"),
        [
            (
                quota.title,
                ("[red]" if quota.used > quota.limit else "") + _short(quota.used),
                _short(quota.limit),
                quota.unit + ("" if quota.adjustable else ", fixed"),
                "never" if quota.met_at_rate is None else _short(quota.met_at_rate),
            )
            for quota in result.quotas
        ],
    )
    _print(
        console,
        "Cost of a month, before free tiers, volume tiers and savings plans",
        ("", "US dollars", "of it", "price"),
        [
            (
                PRICES[name].title if name in PRICES else name,
                f"{cost:,.2f}",
                f"{cost / result.cost_per_month['total']:.0%}",
                f"{usd[name]:g}" if name in usd else "",
            )
            for name, cost in result.cost_per_month.items()
        ],
    )
    console.print(f"A million events: {result.cost_per_million_events:.2f} US dollars.")
    step = result.ramp
    if math.isinf(step.peak_seconds):
        console.print("A step from nothing to this load: the mapping never catches up.")
    elif step.peak_seconds:
        console.print(
            f"A step from nothing to this load: {_short(step.peak_backlog)} messages wait after "
            f"{step.peak_seconds:.0f} s, the oldest for {step.peak_age_seconds:.0f} s; caught up "
            + (
                "never."
                if math.isinf(step.drained_seconds)
                else f"after {step.drained_seconds:.0f} s."
            )
        )
    if result.table_warm_minutes:
        console.print(
            f"A new table needs {result.table_warm_minutes:.0f} minutes of growing load to take "
            "it, or a warm throughput set beforehand."
        )


def _print(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i and column else "left")
    for row in rows:
        table.add_row(*row)
    console.print(title, table, sep="\n")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def show_simulation(compared: Mapping[str, Any], tolerance: float) -> None:
    """Print the simulation beside the formulas on stdout."""
    console = _console()
    load = compared["step_load"]
    _print(
        console,
        f"A step to {load['rate']:g} events/s, {load['cycle_seconds']:g} s a batch of "
        f"{load['batch']}, seed {compared['seed']}",
        ("", "simulated", "formula"),
        [
            (name.replace("_", " "), _short(simulated), _short(formula))
            for name, (simulated, formula) in compared["step"].items()
        ],
    )
    _print(
        console,
        f"Writes per second to the hottest id, of {compared['hot_rate']:g} events/s",
        ("batch", "its share", "simulated", "formula", "throttled", "formula"),
        [
            (
                str(each["batch"]),
                f"{each['hot']:.0%}",
                *(_short(value) for value in each["writes_per_second"]),
                *(f"{value:.0%}" for value in each["throttled"]),
            )
            for each in compared["hot"]
        ],
    )
    console.print(f"Furthest apart: {compared['worst_deviation']:.1%}; allowed: {tolerance:.0%}.")


def plot_step(compared: Mapping[str, Any], path: Path) -> None:
    """Draw backlog, age and readers after the step."""
    load, samples = compared["step_load"], compared["samples"]
    seconds = [sample["second"] for sample in samples]
    title = (
        f"A step from nothing to {load['rate']:,.0f} events/s, batches of {load['batch']}, "
        f"{load['cycle_seconds']:g} s each"
    )
    with _figure(path, title, 3) as axes:
        for axis, key, words in zip(
            axes,
            ("backlog", "age_seconds", "readers"),
            ("Messages waiting", "Age of the oldest, s", "Mapping's readers"),
            strict=True,
        ):
            values = [sample[key] for sample in samples]
            axis.plot(seconds, values, color=_COLOURS[0], label="simulated")
            axis.set_title(words, fontsize=10, loc="left")
            axis.set_xlabel("seconds after the step", fontsize=9)
            axis.set_ylim(bottom=0)
            axis.set_xlim(0, seconds[-1])
        formula = [sample["formula_backlog"] for sample in samples]
        dashed = {"color": _COLOURS[1], "linestyle": "--"}
        axes[0].plot(seconds, formula, label="formula", **dashed)
        axes[1].axhline(compared["step"]["peak_age_seconds"][1], label="formula, highest", **dashed)
        axes[2].axhline(load["readers_needed"], label="needed (Little's law)", **dashed)
        for axis in axes:
            axis.legend(frameon=False, fontsize=9)


def plot_hot(compared: Mapping[str, Any], path: Path) -> None:
    """Draw the writes to the hottest id over its share of the load."""
    title = f"Writes to the hottest id, of {compared['hot_rate']:,.0f} events/s"
    with _figure(path, title, 1) as (axis,):
        batches = sorted({each["batch"] for each in compared["hot"]})
        for colour, batch in zip(_COLOURS, batches, strict=False):
            rows = [each for each in compared["hot"] if each["batch"] == batch]
            shares = [row["hot"] for row in rows]
            simulated, formula = zip(*(row["writes_per_second"] for row in rows), strict=True)
            axis.plot(shares, formula, color=colour, label=f"batchSize {batch}")
            axis.plot(shares, simulated, "o", color=colour, markersize=4)
        limit = QUOTAS["partition_write_units"].limit
        axis.axhline(limit, color=_COLOURS[4], linestyle="--", linewidth=1)
        axis.annotate("a partition's 1,000 write units", (shares[0], limit * 1.1), fontsize=9)
        axis.set(xscale="log", yscale="log")
        axis.set_xlabel("share of the events that belong to it (lines: formula; dots: simulated)")
        axis.set_ylabel("writes per second")
        axis.legend(frameon=False, fontsize=9)


def plot_quotas(path: Path) -> None:
    """Draw how much of each quota a load uses, for the pattern's batch and for a larger one."""
    rates = [10 ** (1 + i / 16) for i in range(16 * 5 + 1)]
    setups = (Setup(), Setup(batch_size=100, batch_window_seconds=1))
    names = ("lambda_concurrency", "lambda_invocations", "mapping_concurrency", "table_write_units")
    with _figure(path, "Quotas used by events of 1 KB, 1024 MB, no repeated ids", 2) as axes:
        for axis, setup in zip(axes, setups, strict=True):
            results = [estimate(Load(rate=rate), setup) for rate in rates]
            for colour, name in zip(_COLOURS, names, strict=False):
                used = [
                    next(quota.used / quota.limit for quota in result.quotas if quota.name == name)
                    for result in results
                ]
                axis.plot(rates, used, color=colour, label=QUOTAS[name].title)
            axis.axhline(1, color=_COLOURS[4], linestyle="--", linewidth=1)
            axis.set(xscale="log", yscale="log", ylim=(1e-4, 30), xlim=(10, 1e6))
            axis.yaxis.set_major_formatter(
                lambda share, _: f"{share:.0%}" if share >= 0.01 else f"{share:.2%}"
            )
            axis.xaxis.set_major_formatter(lambda rate, _: f"{rate:,.0f}")
            axis.set_title(
                f"batchSize {setup.batch_size}, batchWindowSeconds {setup.batch_window_seconds}",
                fontsize=10,
                loc="left",
            )
            axis.set_xlabel("events per second")
        axes[0].set_ylabel("share of the default quota")
        axes[0].legend(frameon=False, fontsize=8, loc="upper left")


@contextmanager
def _figure(path: Path, title: str, columns: int) -> Iterator[Sequence[Any]]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with plt.rc_context({"axes.spines.right": False, "axes.spines.top": False}):
        figure, axes = plt.subplots(
            1, columns, figsize=(11 if columns > 1 else 7, 4), layout="constrained", squeeze=False
        )
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
        yield axes[0]
        figure.savefig(path, dpi=120, facecolor="white", metadata={"Software": None})
        plt.close(figure)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    return console
