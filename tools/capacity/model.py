"""The model, in closed form and in steady state: one function for each quantity, rates per second.

Producers -> SQS -> mapping -> function -> DynamoDB.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from tools.capacity import aws, handler

SECONDS_PER_MONTH: Final = 730 * 3600


@dataclass(frozen=True, kw_only=True)
class Load:
    """What producers send."""

    rate: float
    """Events per second."""
    size_bytes: int = 1024
    """Of a message, and of its item."""
    hot: float = 0.0
    """Share of the messages that belong to the one hottest id, 0 to below 1."""
    repeat: float = 0.0
    """Share of the other messages that bring a further state of an id, 0 to below 1."""
    repeat_seconds: float = 60.0
    """How far the messages of one id are spread."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The stack's config, by the names of its keys, and what its surroundings take."""

    batch_size: int = 10
    batch_window_seconds: int = 0
    memory_mb: int = handler.MEMORY_MB
    maximum_concurrency: int | None = None
    write_ms: float = 5.0
    """DynamoDB's answer to a write, as the function sees it."""
    handler_ms: float | None = None
    """An invocation, if measured; None for what the handler's CPU times make of it."""
    poll_ms: float = 20.0
    """What reading, invoking and deleting a batch take: an assumption."""


Quantity = Callable[[Load, Setup], float]


def hot_chance(load: Load, messages: float) -> float:
    """Return the chance that a batch of so many messages holds the hottest id."""
    return 1 - float((1 - load.hot) ** messages)


def ids_in_batch(load: Load, messages: float) -> float:
    """Return how many ids a batch of b messages holds, and so how many writes it needs.

    Each of the M messages that come while an id's k do is in the batch with the chance b / M; an id
    is missing where none of its k is. The hottest id counts apart.
    """
    b = messages * (1 - load.hot)
    m = max(b, load.rate * (1 - load.hot) * load.repeat_seconds)
    k = 1 / (1 - load.repeat)
    found = -math.expm1(k * math.log1p(-b / m)) if b < m else 1.0  # 1 - (1 - b / M) ** k, exactly
    return max(1.0, hot_chance(load, messages) + m / k * found)


def handler_ms(setup: Setup, messages: float, writes: float) -> float:
    """Return the milliseconds of an invocation, the larger of two.

    The CPU time, at the share of a core that memory buys, and one answer of the table; or rounds of
    as many writes at once as the handler has workers.
    """
    if setup.handler_ms is not None:
        return setup.handler_ms
    share = min(1.0, setup.memory_mb / aws.MEMORY_MB_PER_CPU)
    write_cpu = handler.CPU_MS_PER_WRITE / share
    cpu = (handler.CPU_MS_PER_INVOCATION + handler.CPU_MS_PER_MESSAGE * messages) / share
    rounds = _whole(writes / handler.WORKERS)
    return max(cpu + writes * write_cpu + setup.write_ms, rounds * (write_cpu + setup.write_ms))


@cache
def messages_per_invocation(load: Load, setup: Setup) -> float:
    """Return how full batches are: from one message to a batch, or the 6 MB of an invocation.

    What comes to each of the first five readers in its window and while it is busy. More come when
    these leave messages behind, and then batches are full. AWS does not document how messages are
    spread: this is evenly.
    """
    most = min(float(setup.batch_size), aws.INVOCATION_BYTES / load.size_bytes)
    first = min(aws.READERS_AT_FIRST, setup.maximum_concurrency or math.inf)
    messages = 1.0
    for _ in range(1000):  # a fuller batch takes longer, and so becomes fuller
        busy_ms = setup.poll_ms + handler_ms(setup, messages, ids_in_batch(load, messages))
        came = load.rate / first * (setup.batch_window_seconds + busy_ms / 1000)
        fuller = min(most, came)
        if fuller - messages < 1e-6:
            break
        messages = fuller
    return messages


def invocations(load: Load, setup: Setup) -> float:
    """Return the batches per second."""
    return load.rate / messages_per_invocation(load, setup)


def duration_ms(load: Load, setup: Setup) -> float:
    """Return the milliseconds of an invocation under this load."""
    messages = messages_per_invocation(load, setup)
    return handler_ms(setup, messages, ids_in_batch(load, messages))


def concurrency(load: Load, setup: Setup) -> float:
    """Return the executions at once, by Little's law."""
    return invocations(load, setup) * duration_ms(load, setup) / 1000


def readers(load: Load, setup: Setup) -> float:
    """Return the batches that are read, in the function, or deleted at once; Little's law again."""
    return invocations(load, setup) * (setup.poll_ms + duration_ms(load, setup)) / 1000


def in_flight(load: Load, setup: Setup) -> float:
    """Return the messages under way, and those gathered for a window or until batches are full."""
    under_way = load.rate * (setup.poll_ms + duration_ms(load, setup)) / 1000
    gathering = max(aws.READERS_AT_FIRST, readers(load, setup)) * setup.batch_size
    return under_way + min(load.rate * setup.batch_window_seconds, gathering)


def writes(load: Load, setup: Setup) -> float:
    """Return the writes per second, those whose condition fails too."""
    messages = messages_per_invocation(load, setup)
    return invocations(load, setup) * ids_in_batch(load, messages)


def units_per_write(load: Load) -> int:
    """Return the write units of one item: its size in KB, rounded up."""
    return math.ceil(load.size_bytes / aws.WRITE_UNIT_BYTES)


def write_units(load: Load, setup: Setup) -> float:
    """Return the write units per second."""
    return writes(load, setup) * units_per_write(load)


def hot_write_units(load: Load, setup: Setup) -> float:
    """Return the write units per second of the hottest id: one write a batch that holds it."""
    chance = hot_chance(load, messages_per_invocation(load, setup))
    return invocations(load, setup) * chance * units_per_write(load)


def sqs_requests(load: Load, setup: Setup) -> float:
    """Return the requests per second as billed: sent, received, deleted, and idle long polls.

    Ten messages a request, and no more than 1 MiB of them are sent in one; each 64 KB is billed.
    """

    def billed(messages: float) -> int:
        return math.ceil(messages * load.size_bytes / aws.SQS_BILLED_BYTES)

    messages_sent = min(aws.SQS_BATCH, aws.SQS_BYTES // load.size_bytes)
    sends = load.rate / messages_sent * billed(messages_sent)
    messages = messages_per_invocation(load, setup)
    requests = _whole(messages / aws.SQS_BATCH)
    receives_and_deletes = invocations(load, setup) * requests * (billed(messages / requests) + 1)
    idle = max(0.0, aws.READERS_AT_FIRST - readers(load, setup)) / aws.LONG_POLL_SECONDS
    return sends + receives_and_deletes + idle


def cost_per_month(load: Load, setup: Setup, usd: Mapping[str, float]) -> dict[str, float]:
    """Return US dollars by the names of PRICES; usd holds prices to be used in place of those."""
    millions = {  # per second, and of the log GB
        "lambda_request": invocations(load, setup) / 1e6,
        "lambda_gb_second": concurrency(load, setup) * setup.memory_mb / 1024 / 1e6,
        "sqs_request": sqs_requests(load, setup) / 1e6,
        "write_unit": write_units(load, setup) / 1e6,
        "log_gb": invocations(load, setup) * handler.LOG_BYTES / 1e9,
    }
    return {
        name: usd.get(name, price.usd) * millions[name] * SECONDS_PER_MONTH
        for name, price in aws.PRICES.items()
    }


def new_table_minutes(load: Load, setup: Setup) -> float:
    """Return how long a new table must grow, doubling every 30 minutes, until it takes the load."""
    doublings = math.log2(write_units(load, setup) / aws.NEW_TABLE_WRITE_UNITS)
    return max(0.0, aws.TABLE_DOUBLING_MINUTES * doublings)


def _whole(value: float) -> int:
    """Round up to a whole number, at least 1, but not for an error in the tenth digit."""
    return max(1, math.ceil(round(value, 9)))
