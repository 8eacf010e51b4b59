"""What AWS documents about limits, scaling and prices: each figure with the page that states it.

Read in November 2026. Prices are those of us-east-1, before volume tiers, free tiers and savings
plans; AWS's own price pages fill in their figures by script, so the page that spells one out is
named beside AWS's.
"""

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
    unit: str
    adjustable: bool
    """Whether AWS raises it on request (Service Quotas)."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for one unit of what is billed."""

    title: str
    usd: float
    source: str


QUOTAS: Final = {
    "lambda_concurrency": Quota(
        title="Lambda concurrency of the account in the region",
        limit=1000,
        unit="executions at once",
        adjustable=True,
        source=f"{_LAMBDA}/lambda-concurrency.html",
    ),
    "lambda_invocations": Quota(
        title="Lambda invocations, ten times the concurrency",
        limit=10_000,
        unit="invocations/s",
        adjustable=True,  # by way of the concurrency
        source=f"{_LAMBDA}/lambda-concurrency.html#concurrency-vs-requests-per-second",
    ),
    "mapping_concurrency": Quota(
        title="Concurrent batches of one event source mapping",
        limit=1250,
        unit="batches at once",
        adjustable=False,
        source=f"{_LAMBDA}/services-sqs-scaling.html",
    ),
    "sqs_in_flight": Quota(
        title="SQS messages in flight",
        limit=120_000,
        unit="messages",
        adjustable=True,
        source=f"{_SQS}/quotas-queues.html",
    ),
    "table_write_units": Quota(
        title="DynamoDB writes to one on-demand table",
        limit=40_000,
        unit="write units/s",
        adjustable=True,
        source=f"{_DYNAMODB}/ServiceQuotas.html#default-limits-throughput",
    ),
    "partition_write_units": Quota(
        title="DynamoDB writes to one partition, and so to one event_id",
        limit=1000,
        unit="write units/s",
        adjustable=False,
        source=f"{_DYNAMODB}/bp-partition-key-design.html",
    ),
}
"""By the name that `--quota NAME=LIMIT` takes. What has no limit is not here: SQS takes "a nearly
unlimited number of API calls per second" (quotas-messages.html). What AWS does not document is not
here either: how many bytes of log a function may write per second."""

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
READERS_AT_FIRST: Final = 5
READERS_PER_MINUTE: Final = 300
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
LONG_POLL_SECONDS: Final = 20
# What a new on-demand table takes at once, and how fast that may double.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial
NEW_TABLE_WRITE_UNITS: Final = 4000
TABLE_DOUBLING_MINUTES: Final = 30

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MEMORY_MB_PER_CPU: Final = 1769
# The payload of a synchronous invocation; it ends a batch early.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
INVOCATION_BYTES: Final = 6 * 1024 * 1024
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
SQS_BATCH: Final = 10
SQS_BYTES: Final = 1024 * 1024
# https://aws.amazon.com/sqs/pricing/
SQS_BILLED_BYTES: Final = 64 * 1024
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
WRITE_UNIT_BYTES: Final = 1024
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
ITEM_BYTES: Final = 400 * 1024

PRICES: Final = {
    "lambda_request": Price(
        title="Lambda, a million requests",
        usd=0.20,
        source="https://aws.amazon.com/lambda/pricing/ (read 2026-09-20)",
    ),
    "lambda_gb_second": Price(
        title="Lambda on arm64, a million GB-seconds",
        usd=13.3334,
        source="https://aws.amazon.com/lambda/pricing/, spelled out by "
        "https://cloudchipr.com/blog/aws-lambda-pricing (2024)",
    ),
    "sqs_request": Price(
        title="SQS standard queue, a million requests",
        usd=0.40,
        source="https://aws.amazon.com/sqs/pricing/, spelled out by "
        "https://cloudburn.io/blog/amazon-sqs-pricing (2026-03-14)",
    ),
    "write_unit": Price(
        title="DynamoDB on demand, a million write request units",
        usd=0.625,
        source="https://aws.amazon.com/dynamodb/pricing/on-demand/, spelled out by "
        "https://airbyte.com/data-engineering-resources/dynamodb-pricing (2025-07-21)",
    ),
    "log_gb": Price(
        title="CloudWatch Logs, a GB ingested",
        usd=0.50,
        source="https://aws.amazon.com/cloudwatch/pricing/, spelled out by "
        "https://cloudburn.io/blog/amazon-cloudwatch-pricing (2026-02)",
    ),
}
"""By the name that `--price NAME=USD` takes."""
