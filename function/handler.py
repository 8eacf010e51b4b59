"""The entry point of the Lambda function: function.handler.handler."""

import os
from typing import Any

from function.store import Store, connect
from function.upsert import Context, Upsert

# Memory buys the share of a core (1769 MB: a whole one). Below 512 MB the share is so small that
# threads cost more than they gain; above, one per 100 MB writes a batch of 10 at once at 1024 MB.
_MEMORY_MB = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"))
WORKERS = 1 if _MEMORY_MB < 512 else min(16, _MEMORY_MB // 100)

_VERSION_ATTRIBUTE = os.environ.get("VERSION_ATTRIBUTE", "")
# Once per execution environment, while Lambda initialises it at full speed.
_upsert = Upsert(
    Store(connect(WORKERS), os.environ["TABLE_NAME"], _VERSION_ATTRIBUTE),
    WORKERS,
    _VERSION_ATTRIBUTE,
)


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Store a batch of SQS messages; see function.upsert.Upsert."""
    return _upsert(event, context)
