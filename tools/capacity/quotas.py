"""Which quota a growing load meets first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tools.capacity import model
from tools.capacity.aws import QUOTAS
from tools.capacity.model import Load, Quantity, Setup

_HIGHEST_RATE: Final = 1e9
_USED: Final[Mapping[str, Quantity]] = {
    "lambda_concurrency": lambda *of: max(model.concurrency(*of), model.invocations(*of) / 10),
    "mapping_concurrency": model.readers,
    "sqs_in_flight": model.in_flight,
    "table_write_units": model.write_units,
    "partition_write_units": model.hot_write_units,
}


@dataclass(frozen=True)
class QuotaUse:
    """A quota beside a load."""

    used: float
    limit: float
    met_at_rate: float | None
    """Events per second, all else equal; None if no rate meets it."""


def quota_uses(load: Load, setup: Setup, limits: Mapping[str, float]) -> dict[str, QuotaUse]:
    """Return every quota by its name, the first to be met first; limits replace AWS's."""
    most = {name: limits.get(name, quota.limit) for name, quota in QUOTAS.items()}
    if setup.maximum_concurrency:
        most["mapping_concurrency"] = setup.maximum_concurrency
    uses = {
        name: QuotaUse(used(load, setup), most[name], _met_at(used, load, setup, most[name]))
        for name, used in _USED.items()
    }
    return dict(sorted(uses.items(), key=lambda use: use[1].met_at_rate or math.inf))


def _met_at(used: Quantity, load: Load, setup: Setup, limit: float) -> float | None:
    """Return the lowest rate that uses the limit up; None if there is none."""

    def met(rate: float) -> bool:
        return used(replace(load, rate=rate), setup) >= limit

    high = 1e-3
    while not met(high):  # by doubling, for invocations fall again where batches begin to fill
        high *= 2
        if high > _HIGHEST_RATE:
            return None
    low = high / 2
    while high / low > 1 + 1e-7:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if met(middle) else (middle, high)
    return high
