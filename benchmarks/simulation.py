"""`python -m benchmarks.simulation`: the mapping and a hot partition, simulated beside the formula.

A discrete-event simulation (SimPy) of what the formulas of `benchmarks.capacity` leave out: random
arrivals and handler times, whole batches, readers that start one by one.
"""

import argparse
import importlib.util
import json
import math
import random
import sys
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.aws_limits import QUOTAS, READERS_AT_FIRST, READERS_PER_MINUTE
from benchmarks.capacity import Load, Setup, estimate, ramp

TOLERANCE: Final = 0.10
TICK_SECONDS: Final = 0.05
# A step that the readers which stand ready cannot take, and a batch that takes long: so both the
# growth and the limit show.
STEP_RATE: Final = 4000.0
STEP_BATCH: Final = 10
STEP_CYCLE_SECONDS: Final = 0.5
STEP_SECONDS: Final = 150.0
HOT_RATE: Final = 20_000.0
HOT_SHARES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
HOT_BATCHES: Final = ((1, 0), (10, 0), (100, 1), (1000, 1))
HOT_SECONDS: Final = 20.0
HOT_INVOCATIONS: Final = 20_000  # at least, for a spread of one per cent


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The mapping at one moment."""

    second: float
    readers: int
    backlog: int
    age_seconds: float
    """Of the oldest message that waits."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """What the hottest id's partition met."""

    writes_per_second: float
    throttled: float
    """Share of the writes that found the partition's second used up."""


def simulate_step(
    *,
    rate: float,
    batch: int,
    cycle_seconds: float,
    seconds: float,
    seed: int,
    growth_per_minute: float = READERS_PER_MINUTE,
    most_readers: float = QUOTAS["mapping_concurrency"].limit,
) -> list[Sample]:
    """Simulate a mapping from the moment that events begin to come; one sample a second.

    Readers that find nothing wait; none is ever taken away, for AWS documents no more than that
    the mapping scales back when traffic is low.
    """
    import simpy

    env = simpy.Environment()
    dice = random.Random(seed)  # noqa: S311 (no secret)
    waiting: deque[tuple[float, int]] = deque()  # when they came, how many
    idle: deque[simpy.Event] = deque()
    samples: list[Sample] = []
    backlog = readers = 0

    def arrive() -> Generator[simpy.Event, None, None]:
        nonlocal backlog
        while True:
            came = _poisson(dice, rate * TICK_SECONDS)
            if came:
                waiting.append((env.now, came))
                backlog += came
            for _ in range(min(len(idle), math.ceil(backlog / batch))):
                idle.popleft().succeed()
            yield env.timeout(TICK_SECONDS)

    def read() -> Generator[simpy.Event, None, None]:
        nonlocal backlog
        while True:
            if not backlog:
                idle.append(env.event())
                yield idle[-1]
                continue
            left = min(batch, backlog)
            backlog -= left
            while left:
                came, count = waiting.popleft()
                taken = min(left, count)
                left -= taken
                if taken < count:
                    waiting.appendleft((came, count - taken))
            yield env.timeout(cycle_seconds * dice.uniform(0.5, 1.5))

    def grow() -> Generator[simpy.Event, None, None]:
        nonlocal readers
        while readers < most_readers:
            yield env.timeout(60 / growth_per_minute)
            if backlog >= batch:
                readers += 1
                env.process(read())

    def watch() -> Generator[simpy.Event, None, None]:
        while True:
            age = env.now - waiting[0][0] if waiting else 0.0
            samples.append(
                Sample(second=env.now, readers=readers, backlog=backlog, age_seconds=age)
            )
            yield env.timeout(1)

    env.process(arrive())
    for _ in range(int(min(READERS_AT_FIRST, most_readers))):
        readers += 1
        env.process(read())
    env.process(grow())
    env.process(watch())
    env.run(until=seconds)
    return samples


def simulate_hot(
    *, invocations: float, batch: float, hot: float, units: int, seconds: float, seed: int
) -> Partition:
    """Simulate the writes that one id's partition gets, 1,000 units a second and no burst.

    invocations: per second, at random moments. A write that finds the second's units used up is
    throttled; its retries are left out.
    """
    import simpy

    env = simpy.Environment()
    dice = random.Random(seed)  # noqa: S311 (no secret)
    bucket = simpy.Container(
        env,
        capacity=QUOTAS["partition_write_units"].limit,
        init=QUOTAS["partition_write_units"].limit,
    )
    writes = throttled = 0

    def refill() -> Generator[simpy.Event, None, None]:
        while True:
            yield env.timeout(TICK_SECONDS)
            room = min(bucket.capacity * TICK_SECONDS, bucket.capacity - bucket.level)
            if room > 0:
                yield bucket.put(room)

    def invoke() -> Generator[simpy.Event, None, None]:
        nonlocal writes, throttled
        while True:
            yield env.timeout(dice.expovariate(invocations))
            # Debouncing: however many messages of the id are in the batch, one write.
            if any(dice.random() < hot for _ in range(round(batch))):
                writes += 1
                if bucket.level >= units:
                    yield bucket.get(units)
                else:
                    throttled += 1

    env.process(refill())
    env.process(invoke())
    env.run(until=seconds)
    return Partition(writes_per_second=writes / seconds, throttled=throttled / max(1, writes))


def _poisson(dice: random.Random, mean: float) -> int:
    """Draw how many came; the normal distribution is near enough for what comes in a tick."""
    return max(0, round(dice.gauss(mean, math.sqrt(mean))))


def fluid_backlog(second: float, rate: float, batch: int, cycle_seconds: float) -> float:
    """Return the formula's backlog so long after the step, the readers below their limit."""
    growth = READERS_PER_MINUTE / 60
    per_reader = batch / cycle_seconds
    served = per_reader * (READERS_AT_FIRST * second + growth * second**2 / 2)
    return max(0.0, rate * second - served)


def compare(seed: int) -> dict[str, Any]:
    """Simulate the step and the hot ids, and return both beside the formulas."""
    samples = simulate_step(
        rate=STEP_RATE,
        batch=STEP_BATCH,
        cycle_seconds=STEP_CYCLE_SECONDS,
        seconds=STEP_SECONDS,
        seed=seed,
    )
    formula = ramp(STEP_RATE, STEP_BATCH, STEP_CYCLE_SECONDS, QUOTAS["mapping_concurrency"].limit)
    peak = max(samples, key=lambda sample: sample.backlog)
    drained = next(
        s.second for s in samples if s.second > peak.second and s.backlog < STEP_RATE / 10
    )
    step = {
        "peak_backlog": [peak.backlog, formula.peak_backlog],
        "peak_seconds": [peak.second, formula.peak_seconds],
        "peak_age_seconds": [max(s.age_seconds for s in samples), formula.peak_age_seconds],
        "drained_seconds": [drained, formula.drained_seconds],
    }
    hot: list[dict[str, Any]] = []
    for batch, window in HOT_BATCHES:
        for share in HOT_SHARES:
            expected = estimate(
                Load(rate=HOT_RATE, hot=share),
                Setup(batch_size=batch, batch_window_seconds=window),
            )
            simulated = simulate_hot(
                invocations=expected.invocations,
                batch=expected.batch,
                hot=share,
                units=1,
                seconds=max(HOT_SECONDS, HOT_INVOCATIONS / expected.invocations),
                seed=seed,
            )
            hot.append(
                {
                    "batch": batch,
                    "hot": share,
                    "writes_per_second": [simulated.writes_per_second, expected.hot_write_units],
                    "throttled": [
                        simulated.throttled,
                        max(
                            0.0,
                            1 - QUOTAS["partition_write_units"].limit / expected.hot_write_units,
                        ),
                    ],
                }
            )
    pairs: list[list[float]] = [*step.values(), *(each["writes_per_second"] for each in hot)]
    worst = max(abs(simulated / expected - 1) for simulated, expected in pairs)
    return {
        "seed": seed,
        "step_load": {
            "rate": STEP_RATE,
            "batch": STEP_BATCH,
            "cycle_seconds": STEP_CYCLE_SECONDS,
            "readers_needed": STEP_RATE * STEP_CYCLE_SECONDS / STEP_BATCH,
        },
        "hot_rate": HOT_RATE,
        "step": step,
        "hot": hot,
        "worst_deviation": worst,
        "samples": [
            {
                **asdict(sample),
                "formula_backlog": fluid_backlog(
                    sample.second, STEP_RATE, STEP_BATCH, STEP_CYCLE_SECONDS
                ),
            }
            for sample in samples
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and compare; 1 if a figure is off by more than the tolerance."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation",
        description="Simulate the mapping's growth after a step and the writes to a hot id, beside "
        f"the formulas. Exit status 1 if one of them is off by more than {TOLERANCE:.0%}.",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the dice (%(default)s)")
    parser.add_argument(
        "--plots", type=Path, metavar="FOLDER", help="draw docs/scaling-*.png there"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    needed = ["simpy", *(["matplotlib"] if options.plots else [])]
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        sys.stderr.write(f"Not installed: {', '.join(missing)}. `make bench` installs them.\n")
        return 1
    if options.plots and not options.plots.is_dir():
        sys.stderr.write(f"There is no folder {options.plots} to draw into.\n")
        return 1

    from benchmarks import capacity_report

    compared = compare(options.seed)
    if options.plots:
        capacity_report.plot_step(compared, options.plots / "scaling-step.png")
        capacity_report.plot_hot(compared, options.plots / "scaling-hot.png")
        capacity_report.plot_quotas(options.plots / "scaling-quotas.png")
    if options.json:
        sys.stdout.write(json.dumps(compared, indent=2) + "\n")
    else:
        capacity_report.show_simulation(compared, TOLERANCE)
    return 0 if compared["worst_deviation"] <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
