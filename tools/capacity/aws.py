"""What AWS documents about limits, scaling and prices, each with the page that states it.

The limits were read in November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_LAMBDA: Final = "https://docs.aws.amazon.com/lambda/latest/dg"
_SQS: Final = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide"
_DYNAMODB: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A limit that a load can meet."""

    title: str
    limit: float
    source: str


@dataclass(frozen=True)
class Price:
    """US dollars for a million of what is billed, or for a GB of log, as the source was read."""

    usd: float
    read: str
    source: str


# By the name that --quota takes. SQS takes "a nearly unlimited number of API calls per second".
QUOTAS: Final[Mapping[str, Quota]] = {
    "lambda_concurrency": Quota(
        # One execution environment "can serve up to 10 requests per second", the same page says.
        title="Lambda executions at once, or a tenth of the invocations/s",
        limit=1000,
        source=f"{_LAMBDA}/lambda-concurrency.html",
    ),
    "mapping_concurrency": Quota(
        title="batches of one event source mapping at once",
        limit=1250,
        source=f"{_LAMBDA}/services-sqs-scaling.html",
    ),
    "sqs_in_flight": Quota(
        title="SQS messages in flight",
        limit=120_000,
        source=f"{_SQS}/quotas-queues.html",
    ),
    "table_write_units": Quota(
        title="DynamoDB write units/s to one on-demand table",
        limit=40_000,
        source=f"{_DYNAMODB}/ServiceQuotas.html#default-limits-throughput",
    ),
    "partition_write_units": Quota(
        title="DynamoDB write units/s to one partition, so to one event_id",
        limit=1000,
        source=f"{_DYNAMODB}/bp-partition-key-design.html",
    ),
}

# Of us-east-1, before volume tiers, free tiers and savings plans; by the name that --price takes.
# AWS's price pages fill in most of their figures by script; the pages named here spell them out.
PRICES: Final[Mapping[str, Price]] = {
    "lambda_request": Price(0.20, "2026-09-20", "https://aws.amazon.com/lambda/pricing/"),
    "lambda_gb_second": Price(  # on arm64
        13.3334, "2024", "https://cloudchipr.com/blog/aws-lambda-pricing"
    ),
    "sqs_request": Price(0.40, "2026-03-14", "https://cloudburn.io/blog/amazon-sqs-pricing"),
    "write_unit": Price(
        0.625, "2025-07-21", "https://airbyte.com/data-engineering-resources/dynamodb-pricing"
    ),
    "log_gb": Price(0.50, "2026-02", "https://cloudburn.io/blog/amazon-cloudwatch-pricing"),
}

# _LAMBDA/services-sqs-scaling.html
READERS_AT_FIRST: Final = 5
READERS_PER_MINUTE: Final = 300
# _SQS/sqs-short-and-long-polling.html, quotas-messages.html; aws.amazon.com/sqs/pricing
LONG_POLL_SECONDS: Final = 20
SQS_BATCH: Final = 10
SQS_BYTES: Final = 1024 * 1024
SQS_BILLED_BYTES: Final = 64 * 1024
# _LAMBDA/configuration-memory.html, gettingstarted-limits.html (the payload, which ends a batch)
MEMORY_MB_PER_CPU: Final = 1769
INVOCATION_BYTES: Final = 6 * 1024 * 1024
# _DYNAMODB/on-demand-capacity-mode.html#on-demand-capacity-mode-initial
NEW_TABLE_WRITE_UNITS: Final = 4000
TABLE_DOUBLING_MINUTES: Final = 30
# _DYNAMODB/read-write-operations.html, Constraints.html
WRITE_UNIT_BYTES: Final = 1024
ITEM_BYTES: Final = 400 * 1024
