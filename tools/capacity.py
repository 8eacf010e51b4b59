"""What a load needs of AWS and costs a month: a model in closed form and in steady state.

Producers -> SQS -> event source mapping -> function -> DynamoDB; rates are per second. Left out are
cold starts, retries, storage, backups, alarms and KMS. docs/scaling.md reads its figures.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final, NamedTuple

from tools.console import short

_LAMBDA: Final = "https://docs.aws.amazon.com/lambda/latest/dg"
_SQS: Final = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide"
_DYNAMODB: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"


class Price(NamedTuple):
    """US dollars for a million of what is billed, or for a GB of log."""

    usd: float
    source: str
    """AWS's page, which fills in most of its figures by script."""
    read: str = "not checked"
    """When the page was seen to state it."""


# Of us-east-1, before volume tiers, free tiers and savings plans.
PRICES: Final[Mapping[str, Price]] = {
    "lambda_request": Price(0.20, "https://aws.amazon.com/lambda/pricing/", "2026-09-20"),
    "lambda_gb_second": Price(13.3334, "https://aws.amazon.com/lambda/pricing/"),  # on arm64
    "sqs_request": Price(0.40, "https://aws.amazon.com/sqs/pricing/"),
    "write_unit": Price(0.625, "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "read_unit": Price(0.125, "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "log_gb": Price(0.50, "https://aws.amazon.com/cloudwatch/pricing/"),
}


class Quota(NamedTuple):
    """A limit that a load can meet, as AWS's page stated it in November 2026."""

    limit: int
    source: str


QUOTAS: Final[Mapping[str, Quota]] = {
    # Executions at once; and one environment "can serve up to 10 requests per second".
    "lambda_concurrency": Quota(1000, f"{_LAMBDA}/lambda-concurrency.html"),
    # Batches at once.
    "mapping_concurrency": Quota(1250, f"{_LAMBDA}/services-sqs-scaling.html"),
    "sqs_in_flight": Quota(120_000, f"{_SQS}/quotas-queues.html"),
    "table_write_units": Quota(40_000, f"{_DYNAMODB}/ServiceQuotas.html#default-limits-throughput"),
    "table_read_units": Quota(40_000, f"{_DYNAMODB}/ServiceQuotas.html#default-limits-throughput"),
    # Of one partition, so of one id.
    "partition_write_units": Quota(1000, f"{_DYNAMODB}/bp-partition-key-design.html"),
}

SECONDS_PER_MONTH: Final = 730 * 3600
# _LAMBDA/configuration-memory.html; services-sqs-scaling.html; gettingstarted-limits.html
MEMORY_MB_PER_CPU: Final = 1769
POLLERS_AT_FIRST: Final = 5
INVOCATION_BYTES: Final = 6 * 1024 * 1024
# _SQS/quotas-messages.html, sqs-short-and-long-polling.html; aws.amazon.com/sqs/pricing
SQS_BATCH: Final = 10
SQS_BATCH_BYTES: Final = 1024 * 1024
SQS_BILLED_BYTES: Final = 64 * 1024
LONG_POLL_SECONDS: Final = 20
# _DYNAMODB/read-write-operations.html, API_BatchGetItem.html
WRITE_UNIT_BYTES: Final = 1024
READ_UNIT_BYTES: Final = 4096
READ_KEYS: Final = 100
# Of the function, by `python -m tools.bench`: milliseconds of a whole core on x86-64, for events of
# 615 bytes; requests at once; and the metrics line, with an assumption for Lambda's own lines.
CPU_MS_PER_INVOCATION: Final = 0.5
CPU_MS_PER_EVENT: Final = 0.2
CONNECTIONS: Final = 32
LOG_BYTES: Final = 1000
# Reading, invoking and deleting a batch: an assumption, AWS documents nothing.
POLL_MS: Final = 20.0


@dataclass(frozen=True)
class Load:
    """What producers send, and the stack's settings by the names of its keys."""

    rate: float
    """Events per second."""
    size_bytes: int = 1024
    """Of a message, and of its item."""
    hot: float = 0.0
    """Share of the events that belong to the one hottest id, 0 to 1."""
    repeats: float = 0.0
    """Share of the events that are stored already, or older than what is, 0 to 1."""
    batch_size: int = 10
    batch_window_seconds: int = 0
    memory_mb: int = 512
    read_before_write: bool = False
    answer_ms: float = 5.0
    """DynamoDB's answer to a request, as the function sees it."""


def units(size_bytes: int, unit_bytes: int) -> int:
    """Return the read or write units of one item: its size in units, rounded up."""
    return max(1, ceil(size_bytes / unit_bytes))


def estimate(load: Load) -> dict[str, Any]:
    """Return every figure of a load by its name; "quotas" and "cost_per_month" hold more of them.

    quotas: {name: {"used", "limit", "share"}}, the one that is met first, first.
    """
    messages = messages_per_invocation(load)
    duration = duration_ms(load, messages)
    invocations = load.rate / messages
    concurrency = invocations * duration / 1000  # Little's law
    pollers = concurrency + invocations * POLL_MS / 1000
    hot_share = 1 - (1 - load.hot) ** messages  # of the batches hold the hottest id, once
    # A batch writes each id once. Other ids than the hottest are taken to repeat between batches.
    ids = load.rate * (1 - load.hot) + invocations * hot_share
    written = 1 - load.repeats if load.read_before_write else 1.0
    item_units = written * units(load.size_bytes, WRITE_UNIT_BYTES)
    # What is not there yet costs a unit, too: taken as if it were.
    reads = ids * units(load.size_bytes, READ_UNIT_BYTES) if load.read_before_write else 0.0
    gathering = max(POLLERS_AT_FIRST, pollers) * load.batch_size
    used = {
        "lambda_concurrency": max(concurrency, invocations / 10),
        "mapping_concurrency": pollers,
        "sqs_in_flight": pollers * messages + min(load.rate * load.batch_window_seconds, gathering),
        "table_write_units": ids * item_units,
        "table_read_units": reads,
        "partition_write_units": invocations * hot_share * item_units,
    }
    quotas = {
        name: {"used": used[name], "limit": quota.limit, "share": used[name] / quota.limit}
        for name, quota in QUOTAS.items()
    }
    requests = sqs_requests(load, messages, pollers)
    millions = {  # a second, and of the log GB
        "lambda_request": invocations / 1e6,
        "lambda_gb_second": concurrency * load.memory_mb / 1024 / 1e6,
        "sqs_request": requests / 1e6,
        "write_unit": ids * item_units / 1e6,
        "read_unit": reads / 1e6,
        "log_gb": invocations * LOG_BYTES / 1e9,
    }
    cost = {name: price.usd * millions[name] * SECONDS_PER_MONTH for name, price in PRICES.items()}
    return {
        "load": asdict(load),
        "messages_per_invocation": messages,
        "invocations": invocations,
        "duration_ms": duration,
        "concurrency": concurrency,
        "writes": ids * written,
        "write_units": ids * item_units,
        "read_units": reads,
        "sqs_requests": requests,
        "quotas": dict(sorted(quotas.items(), key=lambda each: -each[1]["share"])),
        "cost_per_month": {**cost, "total": sum(cost.values())},
        "cost_per_million_events": sum(cost.values()) / load.rate / SECONDS_PER_MONTH * 1e6,
    }


def messages_per_invocation(load: Load) -> float:
    """Return how full batches are: from one message to `batch_size`, or the 6 MB of an invocation.

    A batch holds what comes to one of the first five pollers in its window and while it is busy;
    more pollers come when these leave messages behind, and then batches are full. AWS does not
    document how messages are spread: this is evenly.
    """
    most = max(1.0, min(float(load.batch_size), INVOCATION_BYTES / load.size_bytes))
    messages = 1.0
    for _ in range(1000):  # a fuller batch takes longer, and so becomes fuller
        cycle = load.batch_window_seconds + (POLL_MS + duration_ms(load, messages)) / 1000
        messages = max(messages, min(most, load.rate / POLLERS_AT_FIRST * cycle))
    return messages


def duration_ms(load: Load, messages: float) -> float:
    """Return the milliseconds of an invocation, the larger of two.

    The CPU time, at the share of a core that memory buys, and one answer of the table; or rounds of
    as many requests at once as the function has connections. A read before is one round more.
    """
    share = min(1.0, load.memory_mb / MEMORY_MB_PER_CPU)
    cpu = (CPU_MS_PER_INVOCATION + CPU_MS_PER_EVENT * messages) / share
    rounds = ceil(round(messages / CONNECTIONS, 9))
    reading = ceil(messages / READ_KEYS / CONNECTIONS) if load.read_before_write else 0
    return max(cpu + load.answer_ms, rounds * load.answer_ms) + reading * load.answer_ms


def sqs_requests(load: Load, messages: float, pollers: float) -> float:
    """Return the requests per second as billed: sent, received, deleted, and idle long polls.

    Ten messages a request, and no more than 1 MiB of them are sent in one; each 64 KB is billed.
    """

    def billed(count: float) -> int:
        return ceil(count * load.size_bytes / SQS_BILLED_BYTES)

    sent = max(1, min(SQS_BATCH, SQS_BATCH_BYTES // load.size_bytes))
    requests = max(1, ceil(round(messages / SQS_BATCH, 9)))
    received_and_deleted = requests * (billed(messages / requests) + 1)
    idle = max(0.0, POLLERS_AT_FIRST - pollers) / LONG_POLL_SECONDS
    return load.rate / sent * billed(sent) + load.rate / messages * received_and_deleted + idle


def report(load: Load, *, as_json: bool) -> None:
    """Print the estimate on stdout."""
    found = estimate(load)
    print(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    def line(name: str, value: float) -> str:
        return f"{name.replace('_', ' '):42}{short(value):>14}"

    *figures, million = (each for each in found.items() if not isinstance(each[1], dict))
    yield from (line(*each) for each in figures)
    yield f"\n{'quota':32}{'used':>10}{'of':>14}{'share':>10}"
    for name, of in found["quotas"].items():
        used = f"  {name.replace('_', ' '):30}{short(of['used']):>10}"
        yield f"{used}{of['limit']:>14,}{of['share']:>10.0%}"
    yield "\nUS dollars a month"
    yield from (line(f"  {name}", usd) for name, usd in found["cost_per_month"].items() if usd)
    yield line("US dollars a million events", million[1])
