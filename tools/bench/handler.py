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
import subprocess
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
from tools.bench.stub import Stub, running_stub
from tools.bench.workload import TABLE, State, difference, repeated, sqs_event, state, written

SUBJECT, BASELINE = "handler", "client_loop"
MEMORY_MB = 512
WARM_UP_EVENTS = AT_ONCE  # enough that each of its connections is there
REPEATING_BATCH = 100  # messages in the batch that shows what debouncing saves
# Lambda on arm64 in us-east-1, read 2026-09-20: https://aws.amazon.com/lambda/pricing/
USD_PER_GB_SECOND, USD_PER_INVOCATION = 0.0000133334, 0.0000002


class BenchmarkError(Exception):
    """A variant did not do its work; the message names it and says what was wrong."""


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
    repeated_percent: Sequence[int]

    def runs(self) -> int:
        """How many processes the plan starts."""
        rounds = sum(size.rounds for size in self.sizes.values())
        limited = len(self.limited_memory_mb) * self.limited.rounds
        return len(self.variants) * rounds + 2 * (limited + len(self.repeated_percent))


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
    repeated_percent=(0, 50, 90),
)


@dataclass(frozen=True)
class Run:
    """One process of one variant: what it took and what the endpoint received."""

    first_write_ms: float
    wall_ms: float  # per batch
    cpu_ms: float  # per event
    writes_per_message: float


def _environment(stub: Stub, memory_mb: int) -> dict[str, str]:
    """Return what Lambda sets, and nothing of this machine's AWS settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "HOME": os.devnull,  # no ~/.aws
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "x" * 800,  # its length is signed and sent with each request
        "AWS_ENDPOINT_URL": stub.url,
        "AWS_CA_BUNDLE": stub.ca_bundle,
        "AWS_LAMBDA_FUNCTION_NAME": "EventUpsertLambda",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "TABLE_NAME": TABLE,
        "VERSION_ATTRIBUTE": "timestamp",
    }


def run(
    name: str,
    build: str,
    batches: Sequence[Sequence[State]],
    stub: Stub,
    memory_mb: int = MEMORY_MB,
    group: Path | None = None,
) -> Run:
    """Run one variant in a fresh process on these batches, in the control group if there is one.

    Raises BenchmarkError if it failed, or if the endpoint did not receive every event unchanged.
    """
    first = [state(0)]
    warm_up = [state(1 + i) for i in range(WARM_UP_EVENTS)]
    events = json.dumps([sqs_event(batch) for batch in (first, warm_up, *batches)])
    with subprocess.Popen(
        [sys.executable, "-m", "tools.bench.variants", build],
        cwd=Path(__file__).parents[2],
        env=_environment(stub, memory_mb),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if group is not None:
                group.write_text(str(process.pid))  # before it has read anything to do
            out, err = process.communicate(events)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise BenchmarkError(f"{name} ended with status {process.returncode}: {err.strip()}")
    result = json.loads(out)
    puts = written(stub.take())
    measured = [s for batch in batches for s in batch]
    if result["failures"]:
        raise BenchmarkError(f"{name} reported {result['failures']} messages as failed")
    if wrong := difference([*first, *warm_up, *measured], puts):
        raise BenchmarkError(f"{name}: {wrong}")
    return Run(
        first_write_ms=result["first_write_ms"],
        wall_ms=median(result["wall_ms"]),
        cpu_ms=sum(result["cpu_ms"]) / len(measured),
        writes_per_message=(len(puts) - len(first) - len(warm_up)) / len(measured),
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
