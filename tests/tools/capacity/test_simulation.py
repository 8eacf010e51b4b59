"""The formulas beside chance: random arrivals and times, ids that do or do not meet in a batch.

Not proved, for both assume it: how many readers there are, and that a free one takes what waits.
"""

import heapq
import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import astuple
from typing import NamedTuple

import pytest

from tools.capacity import model
from tools.capacity.aws import READERS_AT_FIRST, READERS_PER_MINUTE
from tools.capacity.model import Load, Setup
from tools.capacity.step import step


class _Batch(NamedTuple):
    second: float
    waiting: int
    age_seconds: float  # of the oldest
    messages: int
    writes: int
    busy_ms: float


def simulate(load: Load, setup: Setup, readers: int, seconds: float, growth: float) -> list[_Batch]:
    dice = random.Random(1)
    came = arrivals(load, seconds, dice)
    moments = [second for second, _ in came]
    batches: list[_Batch] = []
    taken, free, grows = 0, [0.0] * readers, growth
    while taken < len(came):
        if free[0] > grows:  # one reader more, if there is a batch for it
            if bisect_right(moments, grows) - taken >= setup.batch_size:
                heapq.heappush(free, grows)
            grows += growth
            continue
        now = max(heapq.heappop(free), moments[taken])  # a long poll, until the next message
        waiting = bisect_right(moments, now) - taken
        batch = came[taken : taken + min(waiting, setup.batch_size)]
        writes = len({id_ for _, id_ in batch})
        busy_ms = model.handler_ms(setup, len(batch), writes) * dice.uniform(0.5, 1.5)
        batches.append(_Batch(now, waiting, now - moments[taken], len(batch), writes, busy_ms))
        taken += len(batch)
        heapq.heappush(free, now + (setup.poll_ms + busy_ms) / 1000)
    return batches


def arrivals(load: Load, seconds: float, dice: random.Random) -> list[tuple[float, int]]:
    """Return when each message comes, and its id; the hottest is 0."""

    def moments(rate: float) -> Iterator[float]:
        second = dice.expovariate(rate) if rate else seconds
        while second < seconds:
            yield second
            second += dice.expovariate(rate)

    per_id = round(1 / (1 - load.repeat))
    came = [(second, 0) for second in moments(load.rate * load.hot)]
    for id_, first in enumerate(moments(load.rate * (1 - load.hot) / per_id), 1):
        came += [
            (first + dice.uniform(0, load.repeat_seconds * (per_id > 1)), id_)
            for _ in range(per_id)
        ]
    return sorted(came)


@pytest.mark.parametrize(
    ("load", "setup", "fill"),
    [
        (Load(rate=50), Setup(), 0.1),
        (Load(rate=800), Setup(), 0.3),  # where batches begin to fill: the formula is too high
        (Load(rate=5000), Setup(), 0.1),
        (Load(rate=5000, repeat=0.8, repeat_seconds=0.01), Setup(), 0.1),
        (Load(rate=5000, hot=0.3), Setup(memory_mb=256), 0.1),
    ],
)
def test_a_steady_load_is_as_the_formulas_have_it(load: Load, setup: Setup, fill: float) -> None:
    readers = max(READERS_AT_FIRST, math.ceil(model.readers(load, setup)))
    batches = simulate(load, setup, readers, seconds=20, growth=math.inf)
    messages, writes, busy_ms = map(sum, zip(*(batch[-3:] for batch in batches), strict=True))
    full = model.messages_per_invocation(load, setup)
    assert full == pytest.approx(messages / len(batches), rel=fill)
    assert model.writes(load, setup) == pytest.approx(writes / 20, rel=0.12)
    assert model.concurrency(load, setup) == pytest.approx(busy_ms / 1000 / 20, rel=0.12)


def test_a_step_is_as_the_formulas_have_it() -> None:
    load, setup = Load(rate=2000), Setup(handler_ms=480)
    batches = simulate(load, setup, READERS_AT_FIRST, 50, 60 / READERS_PER_MINUTE)
    peak = max(batches, key=lambda batch: batch.waiting)
    drained = next(b for b in batches if b.second > peak.second and b.waiting < load.rate / 20)
    simulated = peak.second, peak.waiting, peak.age_seconds, drained.second
    assert astuple(step(load, setup, math.inf)) == pytest.approx(simulated, rel=0.05)
