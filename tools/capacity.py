"""What a load needs of AWS and costs a month: a model in closed form and in steady state.

Rates are per second. Left out are cold starts, retries, storage, backups, alarms and KMS.
docs/scaling.md reads its figures, and names AWS's page for each price and quota.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final

from tools.console import short

# US dollars for a million of what is billed, or for a GB of log; of us-east-1, before volume tiers,
# free tiers and savings plans.
PRICES: Final[Mapping[str, float]] = {
    "lambda_request": 0.20,
    "lambda_gb_second": 13.3334,  # on arm64
    "sqs_request": 0.40,
    "write_unit": 0.625,
    "read_unit": 0.125,
    "log_gb": 0.50,
}
# What an account has by default.
QUOTAS: Final[Mapping[str, int]] = {
    "lambda_concurrency": 1000,
    "mapping_concurrency": 1250,
    "sqs_in_flight": 120_000,
    "table_write_units": 40_000,
    "table_read_units": 40_000,
}
SECONDS_PER_MONTH: Final = 730 * 3600
# https://docs.aws.amazon.com/lambda/latest/dg/: configuration-memory.html,
# lambda-concurrency.html, services-sqs-scaling.html, gettingstarted-limits.html
MEMORY_MB_PER_CPU: Final = 1769
INVOCATIONS_PER_ENVIRONMENT: Final = 10
POLLERS_AT_FIRST: Final = 5
INVOCATION_BYTES: Final = 6 * 1024 * 1024
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/:
# quotas-messages.html; https://aws.amazon.com/sqs/pricing
SQS_BATCH, SQS_BATCH_BYTES, SQS_BILLED_BYTES = 10, 1024 * 1024, 64 * 1024
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
WRITE_UNIT_BYTES, READ_UNIT_BYTES = 1024, 4096
# Of the function, by `python -m tools.bench.handler`: milliseconds of a whole core on x86-64, for
# events of 615 bytes; requests at once; and the metrics line, with an assumption for Lambda's own.
CPU_MS_PER_INVOCATION, CPU_MS_PER_EVENT = 0.1, 0.17
CONNECTIONS, READ_KEYS, LOG_BYTES = 32, 100, 1000
# Reading, invoking and deleting a batch: an assumption, AWS documents nothing.
POLL_MS: Final = 20.0


@dataclass(frozen=True)
class Load:
    """What producers send, and the stack's settings by the names of its keys."""

    rate: float  # events per second
    size_bytes: int = 1024  # of a message, and of its item
    repeats: float = 0.0  # share of the events that are stored already, or older than what is
    batch_size: int = 10
    batch_window_seconds: int = 0
    memory_mb: int = 512
    read_before_write: bool = False
    answer_ms: float = 5.0  # of DynamoDB to a request, as the function sees it


def units(size_bytes: int, unit_bytes: int) -> int:
    """Return the read or write units of one item: its size in units, rounded up."""
    return max(1, ceil(size_bytes / unit_bytes))


def estimate(load: Load) -> dict[str, Any]:
    """Return every figure of a load by its name; the quota that is met first comes first."""
    messages = messages_per_invocation(load)
    duration = duration_ms(load, messages)
    invocations = load.rate / messages
    concurrency = invocations * duration / 1000  # Little's law
    pollers = concurrency + invocations * POLL_MS / 1000
    writes = load.rate * (1 - load.repeats if load.read_before_write else 1)
    write_units = writes * units(load.size_bytes, WRITE_UNIT_BYTES)
    # What is not there yet costs a unit, too: taken as if it were.
    read_units = load.rate * units(load.size_bytes, READ_UNIT_BYTES) * load.read_before_write
    requests = sqs_requests(load, messages)
    gathering = max(POLLERS_AT_FIRST, pollers) * load.batch_size
    used = {
        "lambda_concurrency": max(concurrency, invocations / INVOCATIONS_PER_ENVIRONMENT),
        "mapping_concurrency": pollers,
        "sqs_in_flight": pollers * messages + min(load.rate * load.batch_window_seconds, gathering),
        "table_write_units": write_units,
        "table_read_units": read_units,
    }
    quotas = {
        name: {"used": used[name], "limit": limit, "share": used[name] / limit}
        for name, limit in QUOTAS.items()
    }
    millions = {  # a second, and of the log GB
        "lambda_request": invocations / 1e6,
        "lambda_gb_second": concurrency * load.memory_mb / 1024 / 1e6,
        "sqs_request": requests / 1e6,
        "write_unit": write_units / 1e6,
        "read_unit": read_units / 1e6,
        "log_gb": invocations * LOG_BYTES / 1e9,
    }
    cost = {name: price * millions[name] * SECONDS_PER_MONTH for name, price in PRICES.items()}
    total = sum(cost.values())
    return {
        "load": asdict(load),
        "messages_per_invocation": messages,
        "invocations": invocations,
        "duration_ms": duration,
        "concurrency": concurrency,
        "writes": writes,
        "write_units": write_units,
        "read_units": read_units,
        "sqs_requests": requests,
        "quotas": dict(sorted(quotas.items(), key=lambda each: -each[1]["share"])),
        "cost_per_month": {**cost, "total": total},
        "cost_per_million_events": total / load.rate / SECONDS_PER_MONTH * 1e6,
    }


def messages_per_invocation(load: Load) -> float:
    """Return how full batches are: up to `batch_size`, or the 6 MB of an invocation.

    A batch holds what comes to one of the first five pollers in its window and while it is busy; if
    they leave messages behind, more come, and batches are full. (AWS does not document it.)
    """
    most = max(1.0, min(float(load.batch_size), INVOCATION_BYTES / load.size_bytes))
    messages = 1.0
    for _ in range(1000):  # a fuller batch takes longer, and so becomes fuller
        cycle = load.batch_window_seconds + (POLL_MS + duration_ms(load, messages)) / 1000
        messages = max(messages, min(most, load.rate / POLLERS_AT_FIRST * cycle))
    return messages


def duration_ms(load: Load, messages: float) -> float:
    """Return the milliseconds of an invocation, the larger of two, and a round more for a read.

    The CPU time, at the share of a core that memory buys, and one answer of the table; or rounds of
    as many requests at once as the function has connections.
    """
    share = min(1.0, load.memory_mb / MEMORY_MB_PER_CPU)
    cpu = (CPU_MS_PER_INVOCATION + CPU_MS_PER_EVENT * messages) / share
    rounds = ceil(round(messages / CONNECTIONS, 9))
    reading = ceil(messages / READ_KEYS / CONNECTIONS) if load.read_before_write else 0
    return max(cpu + load.answer_ms, rounds * load.answer_ms) + reading * load.answer_ms


def sqs_requests(load: Load, messages: float) -> float:
    """Return the requests per second as billed, for each 64 KB: sent, received, deleted."""

    def billed(count: float) -> int:
        return ceil(count * load.size_bytes / SQS_BILLED_BYTES)

    sent = max(1, min(SQS_BATCH, SQS_BATCH_BYTES // load.size_bytes))
    requests = max(1, ceil(round(messages / SQS_BATCH, 9)))
    received_and_deleted = requests * (billed(messages / requests) + 1)
    return load.rate / sent * billed(sent) + load.rate / messages * received_and_deleted


def lines_of(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that people read of an estimate."""
    for name, value in found.items():
        if not isinstance(value, dict):
            yield f"{name.replace('_', ' '):32}{short(value):>14}"
    for name, of in found["quotas"].items():
        used = f"{name.replace('_', ' '):32}{short(of['used']):>14}"
        yield f"{used}, {of['share']:.0%} of the quota of {of['limit']:,}"
    for name, usd in found["cost_per_month"].items():
        yield f"{name.replace('_', ' '):32}{short(usd):>14} US dollars a month"
