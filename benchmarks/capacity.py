"""`python -m benchmarks.capacity`: what a load needs of AWS, what it costs, which quota it meets.

A model in closed form of producers -> SQS -> mapping -> function -> DynamoDB, in steady state and
after a step. docs/scaling.md explains it; `benchmarks.simulation` and `benchmarks.capacity_check`
hold it against a simulation and against measured runs.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from benchmarks.aws_limits import (
    INVOCATION_BYTES,
    ITEM_BYTES,
    LONG_POLL_SECONDS,
    MEMORY_MB_PER_CPU,
    NEW_TABLE_WRITE_UNITS,
    PRICES,
    QUOTAS,
    READERS_AT_FIRST,
    READERS_PER_MINUTE,
    SQS_BATCH,
    SQS_BILLED_BYTES,
    SQS_BYTES,
    TABLE_DOUBLING_MINUTES,
    WRITE_UNIT_BYTES,
)

# The handler's CPU time, in milliseconds on a whole core, measured with the handler benchmark's
# 615-byte events on x86-64 (batches of 1 to 1000, none to 98 % of them repeating an id).
CPU_MS_PER_INVOCATION: Final = 0.9
CPU_MS_PER_MESSAGE: Final = 0.07
CPU_MS_PER_WRITE: Final = 0.87
# A record of Lambda's SQS event: its own members, and the body with its quotes escaped.
RECORD_BYTES: Final = 700
ESCAPED: Final = 1.2

SECONDS_PER_MONTH: Final = 730 * 3600
_HIGHEST_RATE: Final = 1e9


@dataclass(frozen=True, kw_only=True)
class Load:
    """What producers send."""

    rate: float
    """Events per second."""
    size_bytes: int = 1024
    """Of a message's body; the item is taken to be as large."""
    repeat: float = 0.0
    """Share of the messages that bring a further state of an id, 0 to below 1."""
    repeat_seconds: float = 60.0
    """How far the messages of one id are spread."""
    hot: float = 0.0
    """Share of the messages that belong to the one hottest id."""
    duplicates: float = 0.0
    """Share of the messages that are delivered twice."""

    @property
    def deliveries(self) -> float:
        """Messages per second that the function gets."""
        return self.rate * (1 + self.duplicates)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The stack's config, by the names of its keys, and what its function takes."""

    batch_size: int = 10
    batch_window_seconds: int = 0
    memory_mb: int = 1024
    maximum_concurrency: int | None = None
    write_ms: float = 5.0
    """DynamoDB's answer to one PutItem, as the function sees it."""
    handler_ms: float | None = None
    """A full batch, measured; None for what the measured CPU times make of it."""
    poll_ms: float = 20.0
    """What reading, invoking and deleting a batch take beside the handler: an assumption."""
    log_bytes: int = 1000
    """Per invocation: 445 of the handler's metrics, and an assumption for Lambda's own lines."""

    @property
    def workers(self) -> int:
        """Writes at once, as function/handler.py sets them."""
        return 1 if self.memory_mb < 512 else min(16, self.memory_mb // 100)


@dataclass(frozen=True, kw_only=True)
class QuotaUse:
    """A quota beside a load."""

    name: str
    title: str
    used: float
    limit: float
    unit: str
    adjustable: bool
    source: str
    met_at_rate: float | None
    """Events per second, all else equal; None if no rate meets it."""


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """What a step from nothing to the load brings, until the mapping has caught up."""

    peak_seconds: float
    """After the step, when the mapping's readers are as many as the load needs."""
    peak_backlog: float
    """Messages waiting then."""
    peak_age_seconds: float
    drained_seconds: float
    """When the backlog is gone; infinite if the readers can never be enough."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a load needs; rates are per second."""

    batch: float
    """Messages per invocation."""
    invocations: float
    writes: float
    write_units: float
    debounced: float
    """Share of the messages that need no write, for a newer one of their id is in their batch."""
    handler_ms: float
    concurrency: float
    """Executions at once, by Little's law."""
    readers: float
    """Batches that the mapping has under way at once: reading, in the function, or deleting."""
    in_flight: float
    hot_write_units: float
    """To the partition of the hottest id."""
    sqs_sends: float
    sqs_receives: float
    sqs_deletes: float
    sqs_billed: float
    """Requests as billed: one for each 64 KB."""
    table_warm_minutes: float
    """Until a new table takes this load, where that doubles every 30 minutes."""
    ramp: Ramp
    cost_per_month: Mapping[str, float]
    """US dollars by item, and their "total"."""
    cost_per_million_events: float
    quotas: Sequence[QuotaUse] = field(default=())
    """The one that is met at the lowest rate first."""


def write_units(size_bytes: float) -> int:
    """Return what one write consumes, also one whose condition fails: DynamoDB rounds up to 1 KB.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """
    return max(1, math.ceil(size_bytes / WRITE_UNIT_BYTES))


def distinct(messages: float, population: float, repeat: float) -> float:
    """Return how many ids are expected in a batch, and so how many writes it needs.

    The batch is taken from a population in which every id has 1 / (1 - repeat) messages at random
    places; an id is missing where all of them fell elsewhere. A batch as large as the population
    has every repeat in it, a small part of it next to none.
    """
    per_id = 1 / (1 - repeat)
    population = max(population, messages)
    share = messages / max(messages, population - (per_id - 1) / 2)
    present = 1.0 if share >= 1 else -math.expm1(per_id * math.log1p(-share))
    return max(1.0, population / per_id * present)


def writes_of_batch(load: Load, messages: float) -> float:
    """Return the writes that a batch needs when each id is written once."""
    if not load.hot:
        return distinct(messages, load.deliveries * load.repeat_seconds, load.repeat)
    others = messages * (1 - load.hot)
    population = load.deliveries * (1 - load.hot) * load.repeat_seconds
    rest = distinct(others, population, load.repeat) if others >= 1 else others
    return _holds_hot(load, messages) + rest


def _holds_hot(load: Load, messages: float) -> float:
    """Return the chance that a batch holds the hottest id."""
    return 1.0 - float((1 - load.hot) ** messages)


def handler_ms(setup: Setup, messages: float, writes: float) -> float:
    """Return the milliseconds of one invocation.

    Two bounds: the CPU, which Lambda gives in proportion to memory and Python uses one core of,
    and the writes' own time, as many at once as the handler has workers.
    """
    if setup.handler_ms is not None:
        least = min(setup.write_ms, setup.handler_ms)
        return least + (setup.handler_ms - least) * messages / setup.batch_size
    share = min(1.0, setup.memory_mb / MEMORY_MB_PER_CPU)
    cpu = (
        CPU_MS_PER_INVOCATION + CPU_MS_PER_MESSAGE * messages + CPU_MS_PER_WRITE * writes
    ) / share
    rounds = math.ceil(round(writes / setup.workers, 6))
    return max(cpu + setup.write_ms, rounds * (setup.write_ms + CPU_MS_PER_WRITE / share))


def saturated_rate(setup: Setup, readers: float, writes: float) -> float:
    """Return the messages per second of as many readers when there is always a full batch."""
    cycle_ms = setup.poll_ms + handler_ms(setup, setup.batch_size, writes)
    return readers * setup.batch_size / cycle_ms * 1000


def messages_per_batch(load: Load, setup: Setup) -> float:
    """Return how full batches are.

    What a reader gathers in its window and while it is busy, at least one message and at most a
    batch, or the 6 MB of an invocation. Readers are as few as the mapping keeps: it adds more only
    when these leave messages behind, and then batches are full. How the mapping spreads messages
    over readers is not documented; this is the even spread.
    """
    most = min(
        float(setup.batch_size),
        INVOCATION_BYTES / (RECORD_BYTES + ESCAPED * load.size_bytes),
    )
    per_reader = load.deliveries / min(READERS_AT_FIRST, setup.maximum_concurrency or math.inf)
    batch = 1.0
    for _ in range(1000):  # climbs to the least batch that fills itself, or to the most
        busy = setup.poll_ms + handler_ms(setup, batch, writes_of_batch(load, batch))
        gathered = per_reader * (setup.batch_window_seconds + busy / 1000)
        grown = min(most, max(1.0, gathered))
        if grown - batch < 1e-6:
            break
        batch = grown
    return batch


def ramp(rate: float, batch: float, cycle_seconds: float, most_readers: float) -> Ramp:
    """Return what a step to `rate` brings while readers grow from 5 by 300 a minute.

    Growth is linear, so the backlog is a parabola: it rises until the readers are enough, and as
    they go on growing while messages are left, it falls in as long again, or slower at the limit.
    """
    per_reader = batch / cycle_seconds
    growth = READERS_PER_MINUTE / 60
    need = rate / per_reader
    first = min(READERS_AT_FIRST, most_readers)
    if need <= first:
        return Ramp(peak_seconds=0, peak_backlog=0, peak_age_seconds=0, drained_seconds=0)
    if need > most_readers:
        return Ramp(
            peak_seconds=math.inf,
            peak_backlog=math.inf,
            peak_age_seconds=math.inf,
            drained_seconds=math.inf,
        )
    peak_seconds = (need - first) / growth
    backlog = per_reader * growth * peak_seconds**2 / 2
    drained = 2 * peak_seconds
    at_limit = (most_readers - first) / growth
    if at_limit < drained:
        fallen = per_reader * growth * (at_limit - peak_seconds) ** 2 / 2
        spare = per_reader * (most_readers - need)
        drained = at_limit + (backlog - fallen) / spare if spare else math.inf
    return Ramp(
        peak_seconds=peak_seconds,
        peak_backlog=backlog,
        peak_age_seconds=backlog / rate,
        drained_seconds=drained,
    )


def estimate(
    load: Load,
    setup: Setup,
    limits: Mapping[str, float] | None = None,
    prices: Mapping[str, float] | None = None,
) -> Estimate:
    """Return what the load needs, costs and meets.

    limits, prices: to be used instead of those of QUOTAS (in its units) and PRICES (US dollars).
    """
    limit = {name: quota.limit for name, quota in QUOTAS.items()} | dict(limits or {})
    if "lambda_concurrency" in (limits or {}) and "lambda_invocations" not in (limits or {}):
        limit["lambda_invocations"] = 10 * limit["lambda_concurrency"]
    usd = {name: price.usd for name, price in PRICES.items()} | dict(prices or {})
    most_readers = float(setup.maximum_concurrency or limit["mapping_concurrency"])
    result = _without_quotas(load, setup, usd, most_readers)

    def use(name: str, used: Callable[[Estimate], float], title: str = "") -> QuotaUse:
        most = most_readers if name == "mapping_concurrency" else limit[name]
        quota = QUOTAS[name]
        own = name == "mapping_concurrency" and setup.maximum_concurrency is not None
        return QuotaUse(
            name="maximumConcurrency" if own else name,
            title="The stack's own maximumConcurrency" if own else quota.title,
            used=used(result),
            limit=most,
            unit=quota.unit,
            adjustable=own or quota.adjustable,
            source="Pulumi.yaml" if own else quota.source,
            met_at_rate=_met_at(
                lambda rate: (
                    used(_without_quotas(replace(load, rate=rate), setup, usd, most_readers))
                    >= most
                )
            ),
        )

    quotas = [
        use("lambda_concurrency", lambda e: e.concurrency),
        use("lambda_invocations", lambda e: e.invocations),
        use("mapping_concurrency", lambda e: e.readers),
        use("sqs_in_flight", lambda e: e.in_flight),
        use("table_write_units", lambda e: e.write_units),
        use("partition_write_units", lambda e: e.hot_write_units),
    ]
    quotas.sort(key=lambda quota: quota.met_at_rate or math.inf)
    return replace(result, quotas=tuple(quotas))


def _without_quotas(
    load: Load, setup: Setup, usd: Mapping[str, float], most_readers: float
) -> Estimate:
    batch = messages_per_batch(load, setup)
    invocations = load.deliveries / batch
    writes = writes_of_batch(load, batch)
    busy_ms = handler_ms(setup, batch, writes)
    cycle = (busy_ms + setup.poll_ms) / 1000
    readers = invocations * cycle
    units = write_units(load.size_bytes)
    sends = load.rate / _per_request(load)
    per_invocation = math.ceil(round(batch / SQS_BATCH, 6))
    idle = max(0.0, READERS_AT_FIRST - readers) / LONG_POLL_SECONDS
    receives = invocations * per_invocation
    billed = (
        sends * _billed(load, _per_request(load))
        + receives * _billed(load, batch / per_invocation)
        + idle
        + receives
    )
    month = {
        "lambda_request": usd["lambda_request"] * invocations / 1e6,
        "lambda_gb_second": usd["lambda_gb_second"]
        * (invocations * busy_ms / 1000 * setup.memory_mb / 1024)
        / 1e6,
        "sqs_request": usd["sqs_request"] * billed / 1e6,
        "write_unit": usd["write_unit"] * invocations * writes * units / 1e6,
        "log_gb": usd["log_gb"] * invocations * setup.log_bytes / 1e9,
    }
    month = {name: cost * SECONDS_PER_MONTH for name, cost in month.items()}
    month["total"] = sum(month.values())
    return Estimate(
        batch=batch,
        invocations=invocations,
        writes=invocations * writes,
        write_units=invocations * writes * units,
        debounced=max(0.0, 1 - writes / batch),
        handler_ms=busy_ms,
        concurrency=invocations * busy_ms / 1000,
        readers=readers,
        # Under way, and gathered meanwhile: for a window, or until every reader's batch is full.
        in_flight=load.deliveries * cycle
        + min(load.deliveries * setup.batch_window_seconds, max(READERS_AT_FIRST, readers) * batch),
        hot_write_units=invocations * _holds_hot(load, batch) * units,
        sqs_sends=sends,
        sqs_receives=receives + idle,
        sqs_deletes=receives,
        sqs_billed=billed,
        table_warm_minutes=max(0.0, math.log2(invocations * writes * units / NEW_TABLE_WRITE_UNITS))
        * TABLE_DOUBLING_MINUTES,
        ramp=ramp(load.deliveries, batch, cycle, most_readers),
        cost_per_month=month,
        cost_per_million_events=month["total"] / (load.rate * SECONDS_PER_MONTH) * 1e6,
    )


def _per_request(load: Load) -> int:
    """Return how many messages go into one SendMessageBatch."""
    return max(1, min(SQS_BATCH, SQS_BYTES // load.size_bytes))


def _billed(load: Load, messages: float) -> int:
    return max(1, math.ceil(messages * load.size_bytes / SQS_BILLED_BYTES))


def _met_at(met: Callable[[float], bool]) -> float | None:
    """Return the lowest rate for which `met` holds; None if there is none."""
    high = 1e-3
    while not met(high):  # by doubling, for invocations fall again where batches begin to fill
        high *= 2
        if high > _HIGHEST_RATE:
            return None
    low = high / 2
    while high / low > 1 + 1e-7:
        middle = math.sqrt(low * high)
        if met(middle):
            high = middle
        else:
            low = middle
    return high


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity",
        description="Compute what a load needs of AWS, what it costs, and which quota it meets "
        "first. docs/scaling.md explains the model and its inputs.",
    )
    load = parser.add_argument_group("the load")
    load.add_argument("--rate", type=_positive, required=True, help="events per second")
    load.add_argument("--size", type=_size, default=1024, metavar="1KB", help="of a message's body")
    load.add_argument(
        "--repeat", type=_share, default=0.0, help="share of messages that repeat an id"
    )
    load.add_argument(
        "--repeat-seconds",
        type=_positive,
        default=60.0,
        help="over how long the messages of one id are spread (%(default)g)",
    )
    load.add_argument("--hot", type=_share, default=0.0, help="share of the hottest id")
    load.add_argument(
        "--duplicates", type=_share, default=0.0, help="share of messages delivered twice"
    )
    setup = parser.add_argument_group("the stack")
    setup.add_argument("--batch", type=_whole(1, 10_000), default=10, help="batchSize (10)")
    setup.add_argument("--window", type=_whole(0, 300), default=0, help="batchWindowSeconds (0)")
    setup.add_argument(
        "--memory", type=_whole(128, 10_240), default=1024, help="functionMemoryMb (1024)"
    )
    setup.add_argument(
        "--maximum-concurrency", type=_whole(2, 1000), help="maximumConcurrency (unset)"
    )
    times = parser.add_argument_group("measured or assumed times")
    times.add_argument(
        "--write-ms", type=_positive, default=5.0, help="DynamoDB's answer to one write (5)"
    )
    times.add_argument(
        "--handler-ms",
        type=_positive,
        help="one full batch, as CloudWatch's Duration shows it (from measured CPU times)",
    )
    times.add_argument(
        "--poll-ms",
        type=_positive,
        default=20.0,
        help="reading, invoking and deleting, per batch; AWS documents nothing (20)",
    )
    times.add_argument(
        "--log-bytes", type=_whole(0, 10**9), default=1000, help="of log per invocation (1000)"
    )
    parser.add_argument(
        "--quota",
        type=_named("quota", QUOTAS),
        action="append",
        default=[],
        metavar="NAME=LIMIT",
        help=f"another limit for one of {', '.join(QUOTAS)}",
    )
    parser.add_argument(
        "--price",
        type=_named("price", PRICES),
        action="append",
        default=[],
        metavar="NAME=USD",
        help=f"US dollars per million, or per GB, for one of {', '.join(PRICES)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value <= _HIGHEST_RATE:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to a billion")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to below 1, such as 0.5")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(B|KB)?", text, re.IGNORECASE | re.ASCII)
    size = (
        round(float(match[1]) * (1024 if (match[2] or "").upper() == "KB" else 1)) if match else 0
    )
    if not 1 <= size <= ITEM_BYTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size from 1 byte to the 400KB that a DynamoDB item holds, such as 1KB"
        )
    return size


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not re.fullmatch(r"\d{1,10}", text, re.ASCII) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return whole


def _named(what: str, known: Mapping[str, Any]) -> Callable[[str], tuple[str, float]]:
    def named(text: str) -> tuple[str, float]:
        name, _, value = text.partition("=")
        if name not in known or not 0 < _number(value) < math.inf:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no {what}: write NAME=NUMBER with one of {', '.join(known)}"
            )
        return name, float(value)

    return named


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the estimate; 2 for options that make no sense."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.batch > SQS_BATCH and options.window == 0:
        parser.error("argument --batch: above 10 it needs a --window of at least 1, as on AWS")
    if options.repeat + options.hot >= 1:
        parser.error("arguments --repeat and --hot: together they are 1 or more")
    load = Load(
        rate=options.rate,
        size_bytes=options.size,
        repeat=options.repeat,
        repeat_seconds=options.repeat_seconds,
        hot=options.hot,
        duplicates=options.duplicates,
    )
    setup = Setup(
        batch_size=options.batch,
        batch_window_seconds=options.window,
        memory_mb=options.memory,
        maximum_concurrency=options.maximum_concurrency,
        write_ms=options.write_ms,
        handler_ms=options.handler_ms,
        poll_ms=options.poll_ms,
        log_bytes=options.log_bytes,
    )
    prices = dict(options.price)
    result = estimate(load, setup, dict(options.quota), prices)
    if options.json:
        figures = {"load": asdict(load), "setup": asdict(setup), **asdict(result)}
        sys.stdout.write(json.dumps(_finite(figures), indent=2, allow_nan=False) + "\n")
    else:
        from benchmarks.capacity_report import show

        show(load, setup, result, {name: price.usd for name, price in PRICES.items()} | prices)
    return 0


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for: never is null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value


if __name__ == "__main__":
    sys.exit(main())
