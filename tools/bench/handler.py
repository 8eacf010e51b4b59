"""The handler against its peers: time per batch, CPU per event, first write, writes per message.

Every run is a fresh process that writes to a stub of DynamoDB's endpoint, over TLS and with a fixed
latency. The variants take turns (A B C A B C ...), each ratio is to the client loop of the same
round, and each figure is the median over the rounds.
"""

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from math import ceil
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console

from function.loop import AT_ONCE
from tools.bench.measure import MEMORY_MB, WARM_UP_EVENTS, BenchmarkError, cpu_quota, run, state
from tools.bench.runtime import measure_runtime
from tools.bench.stub import Stub, running_stub
from tools.capacity import PRICES
from tools.console import make_table, say, short

SUBJECT, BASELINE = "handler", "client_loop"
PEERS = ("threads", "resource_loop", "powertools_batch", "powertools_idempotency")
VARIANTS = {name: f"tools.bench.variants:{name}" for name in (SUBJECT, BASELINE, *PEERS)}
REPEATING_BATCH = 100  # messages in the batch that shows what debouncing saves


class Plan(NamedTuple):
    """What is measured; of sizes of batches: how many rounds, and how many batches in each."""

    variants: Mapping[str, str] = VARIANTS
    sizes: Mapping[int, tuple[int, int]] = {10: (8, 10), 100: (5, 3), 1000: (2, 1)}
    limited_memory_mb: Sequence[int] = (128, 256, 512, 1024, 1769)  # Lambda limits their CPU
    limited: tuple[int, int] = (5, 20)  # of batches of 10
    first_large: int = 5  # rounds of a first batch of 100, and of the runtime client
    repeated_percent: Sequence[int] = (0, 50, 90)


class _Compared:
    """Runs of the variants, in turn, on batches of one size."""

    def __init__(
        self,
        variants: Mapping[str, str],
        events: int,
        size: tuple[int, int],
        stub: Stub,
        memory_mb: int = MEMORY_MB,
        **options: Any,
    ) -> None:
        rounds, count = size
        say(f"{memory_mb} MB: {rounds} rounds of batches of {events}")
        first = 1 + options.get("warm_up_events", WARM_UP_EVENTS)
        starts = range(first, first + count * events, events)
        batches = [[state(start + i) for i in range(events)] for start in starts]
        self.runs: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
        for name, build in [*variants.items()] * rounds:
            self.runs[name].append(run(build, batches, stub, memory_mb, **options))

    def median(self, name: str, figure: str) -> float:
        return median(each[figure] for each in self.runs[name])

    def ratio(self, name: str, figure: str) -> float:
        """To the client loop of the same round."""
        pairs = zip(self.runs[name], self.runs[BASELINE], strict=True)
        return median(one[figure] / base[figure] for one, base in pairs)


def benchmark(latency_ms: float, plan: Plan) -> dict[str, Any]:
    """Measure everything in the plan, saying on stderr what is measured.

    Returns, all times in milliseconds and all ratios to the client loop:
    latency_ms: what the stub waits before each answer; round_trip_ms: what a bare socket measures
    for one write; floor_ratio: {batch size: what as many round trips take, AT_ONCE at once};
    variants: {name: {wall_ratio: {batch size: ratio}, cpu_ratio: {same}, first_write_ms, wall_ms,
    cpu_ms_per_event}}, the last two as measured;
    limited: {memory_mb: {name: {wall_ratio, wall_ms}}} of batches of 10 in handler and client loop
    with the share of a CPU that Lambda gives to such a function, below a whole one;
    memory: {memory_mb: {wall_ms, usd_per_million}}, the handler's price of a million events;
    first_large_ms: {name: ms}, a process's first batch of 100, after one write, at MEMORY_MB;
    runtime: {init_ms, trivial_init_ms, warm_ms} under AWS's runtime client: until it asks for its
    first event, the handler and one that does nothing, and a batch of 10 there;
    debounce: {percent of messages that repeat an id: {name: writes per message}}; environment.
    """
    pair = {name: plan.variants[name] for name in (SUBJECT, BASELINE)}
    report: dict[str, Any] = {"latency_ms": latency_ms, "limited": {}, "memory": {}, "debounce": {}}
    with running_stub(latency_ms) as stub:
        trip = report["round_trip_ms"] = stub.round_trip_ms()
        sizes = {str(n): _Compared(plan.variants, n, size, stub) for n, size in plan.sizes.items()}
        report["variants"] = {
            name: {
                "wall_ratio": {n: of.ratio(name, "wall_ms") for n, of in sizes.items()},
                "cpu_ratio": {n: of.ratio(name, "cpu_ms") for n, of in sizes.items()},
                "first_write_ms": median(
                    each["first_write_ms"] for of in sizes.values() for each in of.runs[name]
                ),
                "wall_ms": {n: of.median(name, "wall_ms") for n, of in sizes.items()},
                "cpu_ms_per_event": {n: of.median(name, "cpu_ms") for n, of in sizes.items()},
            }
            for name in plan.variants
        }
        report["floor_ratio"] = {
            n: trip * ceil(int(n) / AT_ONCE) / of.median(BASELINE, "wall_ms")
            for n, of in sizes.items()
        }
        for memory_mb in plan.limited_memory_mb:
            with cpu_quota(memory_mb) as group:
                limited = _Compared(pair, 10, plan.limited, stub, memory_mb, group=group)
            figures = {
                name: {
                    "wall_ratio": limited.ratio(name, "wall_ms"),
                    "wall_ms": limited.median(name, "wall_ms"),
                }
                for name in pair
            }
            wall_ms = figures[SUBJECT]["wall_ms"]
            gb_seconds = ceil(wall_ms) / 1000 * memory_mb / 1024
            usd = PRICES["lambda_request"] + gb_seconds * PRICES["lambda_gb_second"]
            report["memory"][str(memory_mb)] = {"wall_ms": wall_ms, "usd_per_million": usd / 10}
            if 256 <= memory_mb <= 1024:
                report["limited"][str(memory_mb)] = figures
        with cpu_quota(MEMORY_MB) as group:
            rounds = (plan.first_large, 1)
            large = _Compared(pair, 100, rounds, stub, group=group, warm_up_events=0)
        report["first_large_ms"] = {name: large.median(name, "wall_ms") for name in pair}
        say("AWS's runtime client")
        report["runtime"] = measure_runtime(stub, plan.first_large)
        for percent in plan.repeated_percent:
            say(f"{percent} % repeated ids")
            ids = REPEATING_BATCH * (100 - percent) // 100
            batch = [state(1 + WARM_UP_EVENTS + i % ids, i // ids) for i in range(REPEATING_BATCH)]
            report["debounce"][str(percent)] = {
                name: run(build, [batch], stub)["writes_per_message"]
                for name, build in pair.items()
            }
    report["environment"] = {
        "python": platform.python_version(),
        "boto3": version("boto3"),
        "cpus": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu_quota": group is not None,
    }
    return report


def main(arguments: Sequence[str] | None = None, plan: Plan | None = None) -> int:
    """Run the benchmark; 1 if a variant failed or wrote less than it was given."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.handler", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print every figure as JSON, too")
    parser.add_argument("--latency-ms", type=float, default=5, help="the endpoint's (%(default)s)")
    options, plan = parser.parse_args(arguments), plan or Plan()
    if plan.variants.keys() & {*PEERS} and find_spec("aws_lambda_powertools") is None:
        print(
            "Not installed: aws_lambda_powertools. `make bench` installs and runs all.",
            file=sys.stderr,
        )
        return 1
    try:
        figures = benchmark(options.latency_ms, plan)
    except BenchmarkError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(figures, indent=2))
    ratios = {"wall": "wall_ratio", "CPU": "cpu_ratio"}
    columns = [f"{what} {n}" for what in ratios for n in figures["floor_ratio"]]
    title = "Batches of so many events, as ratios to client_loop"
    table = make_table(title, ("", *columns, "first write, ms"))
    for name, row in figures.pop("variants").items():
        shown = (short(each) for key in ratios.values() for each in row[key].values())
        table.add_row(name, *shown, short(row["first_write_ms"]))
    console = Console(stderr=options.json, highlight=False, soft_wrap=True)
    console.print(table)
    for name, figure in figures.items():
        console.print(f"{name}: {json.dumps(figure)}", markup=False)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of the clean-up
    sys.exit(main())
