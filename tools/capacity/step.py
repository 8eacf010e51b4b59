"""What a step from nothing to a load brings, until the mapping has caught up."""

import math
from dataclasses import dataclass

from tools.capacity.aws import READERS_AT_FIRST, READERS_PER_MINUTE
from tools.capacity.model import Load, Setup, readers


@dataclass(frozen=True)
class Step:
    """When the readers are enough, what waits then, the oldest how long; when none waits any more.

    Seconds from the step on; all infinite if the readers can never be enough.
    """

    peak_seconds: float
    peak_backlog: float
    peak_age_seconds: float
    drained_seconds: float


def step(load: Load, setup: Setup, most: float) -> Step:
    """Return what the step brings while readers grow from 5 by 300 a minute, up to `most`.

    Growth is linear, so the backlog is a parabola: it rises until the readers are enough, and as
    they go on growing while messages are left, it falls in as long again, or slower at the limit.
    """
    need = readers(load, setup)
    if need > most:
        return Step(math.inf, math.inf, math.inf, math.inf)
    growth = READERS_PER_MINUTE / 60
    of_reader = load.rate / need  # messages per second
    peak = max(0.0, need - READERS_AT_FIRST) / growth
    backlog = of_reader * growth * peak**2 / 2
    drained = 2 * peak
    at_limit = (most - READERS_AT_FIRST) / growth
    if drained > max(0.0, at_limit):
        left = backlog - of_reader * growth * (at_limit - peak) ** 2 / 2
        spare = of_reader * (most - need)
        drained = at_limit + left / spare if spare else math.inf
    return Step(peak, backlog, backlog / load.rate, drained)
