"""The handler against its peers: time per batch, CPU per event, first write, writes per message.

Every run is a fresh Python process with a clean environment that writes to a stub of DynamoDB's
endpoint, over TLS and with a fixed latency. The variants take turns (A B C A B C ...), each ratio
is to the client loop of the same round, and each figure is the median over the rounds. A run counts
only if the endpoint received every event, unchanged.
"""

import argparse
import importlib.util
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from function.loop import AT_ONCE
from tools.bench.cpu_quota import cpu_quota
from tools.bench.process import MEMORY_MB, WARM_UP_EVENTS, BenchmarkError, Run, run
from tools.bench.runtime import measure_runtime
from tools.bench.stub import Stub, running_stub
from tools.bench.workload import repeated, state

SUBJECT, BASELINE = "handler", "client_loop"
REPEATING_BATCH = 100  # messages in the batch that shows what debouncing saves
# Lambda on arm64 in us-east-1, read 2026-09-20: https://aws.amazon.com/lambda/pricing/
USD_PER_GB_SECOND, USD_PER_INVOCATION = 0.0000133334, 0.0000002


@dataclass(frozen=True)
class Size:
    """How often one size of batch is measured."""

    rounds: int
    batches: int  # in each round, by the same process


@dataclass(frozen=True)
class Plan:
    """What is measured. `variants` maps names to module:function."""

    variants: Mapping[str, str]
    sizes: Mapping[int, Size]
    limited_memory_mb: Sequence[int]  # function sizes of which Lambda limits the CPU
    limited: Size  # of batches of 10
    first_large: int  # rounds of a first batch of 100, and of the runtime client
    repeated_percent: Sequence[int]

    def runs(self) -> int:
        """How many processes the plan starts."""
        rounds = sum(size.rounds for size in self.sizes.values())
        limited = len(self.limited_memory_mb) * self.limited.rounds
        pairs = limited + len(self.repeated_percent) + self.first_large
        return len(self.variants) * rounds + 2 * pairs


NAMES = (
    SUBJECT,
    BASELINE,
    "threads",
    "resource_loop",
    "powertools_batch",
    "powertools_idempotency",
)
FULL = Plan(
    variants={name: f"tools.bench.variants:{name}" for name in NAMES},
    sizes={10: Size(8, 10), 100: Size(5, 3), 1000: Size(2, 1)},
    limited_memory_mb=(128, 256, 512, 1024, 1769),
    limited=Size(5, 20),
    first_large=5,
    repeated_percent=(0, 50, 90),
)


def compare(
    variants: Mapping[str, str],
    sizes: Mapping[int, Size],
    stub: Stub,
    advance: Callable[[str], None],
    memory_mb: int = MEMORY_MB,
    group: Path | None = None,
) -> dict[str, Any]:
    """Measure the variants in turn; the shape is that of `benchmark`'s "variants"."""
    runs: dict[str, dict[int, list[Run]]] = {
        name: {size: [] for size in sizes} for name in variants
    }
    for events, size in sizes.items():
        for round_ in range(size.rounds):
            for name, build in variants.items():
                advance(f"{name}, {events} events, round {round_ + 1} of {size.rounds}")
                ids = count(1 + WARM_UP_EVENTS)
                batches = [[state(next(ids)) for _ in range(events)] for _ in range(size.batches)]
                runs[name][events].append(run(name, build, batches, stub, memory_mb, group))

    def ratio(name: str, events: int, value: Callable[[Run], float]) -> float:
        pairs = zip(runs[name][events], runs[BASELINE][events], strict=True)
        return median(value(mine) / value(base) for mine, base in pairs)

    return {
        name: {
            "wall_ratio": {str(n): ratio(name, n, lambda r: r.wall_ms) for n in sizes},
            "cpu_ratio": {str(n): ratio(name, n, lambda r: r.cpu_ms) for n in sizes},
            "first_write_ms": median(r.first_write_ms for of in by_size.values() for r in of),
            "wall_ms": {str(n): median(r.wall_ms for r in by_size[n]) for n in sizes},
            "cpu_ms_per_event": {str(n): median(r.cpu_ms for r in by_size[n]) for n in sizes},
        }
        for name, by_size in runs.items()
    }


def benchmark(latency_ms: float, plan: Plan, advance: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything in the plan, calling `advance` with a few words before each run.

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
    debounce: {percent of messages that repeat an id: {name: writes per message}};
    environment: what it ran on, and whether a share of a CPU could be set.

    Raises BenchmarkError as `run` does.
    """
    pair = {name: plan.variants[name] for name in (SUBJECT, BASELINE)}
    report: dict[str, Any] = {"latency_ms": latency_ms, "limited": {}, "memory": {}, "debounce": {}}
    is_limited = False
    with running_stub(latency_ms) as stub:
        trip = report["round_trip_ms"] = stub.round_trip_ms()
        report["variants"] = compare(plan.variants, plan.sizes, stub, advance)
        base = report["variants"][BASELINE]["wall_ms"]
        report["floor_ratio"] = {n: trip * ceil(int(n) / AT_ONCE) / base[n] for n in base}
        for memory_mb in plan.limited_memory_mb:
            with cpu_quota(memory_mb) as group:
                compared = compare(pair, {10: plan.limited}, stub, advance, memory_mb, group)
            is_limited = group is not None
            wall_ms = compared[SUBJECT]["wall_ms"]["10"]
            usd = USD_PER_INVOCATION + ceil(wall_ms) / 1e3 * memory_mb / 1024 * USD_PER_GB_SECOND
            report["memory"][str(memory_mb)] = {"wall_ms": wall_ms, "usd_per_million": usd * 1e5}
            if 256 <= memory_mb <= 1024:
                report["limited"][str(memory_mb)] = {
                    name: {"wall_ratio": row["wall_ratio"]["10"], "wall_ms": row["wall_ms"]["10"]}
                    for name, row in compared.items()
                }
        report["first_large_ms"] = _first_large(pair, plan.first_large, stub, advance)
        report["runtime"] = measure_runtime(stub, plan.first_large)
        for percent in plan.repeated_percent:
            writes = report["debounce"][str(percent)] = {}
            for name, build in pair.items():
                advance(f"{name}, {percent} % repeated ids")
                batch = repeated(REPEATING_BATCH, percent, first=1 + WARM_UP_EVENTS)
                writes[name] = run(name, build, [batch], stub).writes_per_message
    report["environment"] = {
        "python": platform.python_version(),
        "boto3": version("boto3"),
        "cpus": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu_quota": is_limited,
    }
    return report


def _first_large(
    pair: Mapping[str, str], rounds: int, stub: Stub, advance: Callable[[str], None]
) -> dict[str, float]:
    runs: dict[str, list[float]] = {name: [] for name in pair}
    batch = [state(1 + number) for number in range(100)]
    with cpu_quota(MEMORY_MB) as group:
        for _ in range(rounds):
            for name, build in pair.items():
                advance(f"{name}, a first batch of 100")
                done = run(name, build, [batch], stub, MEMORY_MB, group, warm_up_events=0)
                runs[name].append(done.wall_ms)
    return {name: median(times) for name, times in runs.items() if times}


def main(arguments: Sequence[str] | None = None, plan: Plan = FULL) -> int:
    """Run the benchmark; 1 if a variant failed or wrote less than it was given."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.handler",
        description="Measure the handler against its peers on a stub of DynamoDB's endpoint.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the comparison there")
    parser.add_argument(
        "--latency-ms",
        type=float,
        default=5.0,
        help="the endpoint's latency (default: %(default)s)",
    )
    options = parser.parse_args(arguments)

    needed = ["rich"]
    if any("powertools" in name for name in plan.variants):
        needed.append("aws_lambda_powertools")
    if options.plot:
        needed.append("matplotlib")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        sys.stderr.write(
            f"Not installed: {', '.join(missing)}. `make bench` installs and runs all.\n"
        )
        return 1

    from tools.bench import report as shown

    try:
        with shown.progress(plan.runs()) as advance:
            figures = benchmark(options.latency_ms, plan, advance)
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    if options.plot:
        shown.plot(figures, options.plot)
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        shown.tables(figures)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of the clean-up
    sys.exit(main())
