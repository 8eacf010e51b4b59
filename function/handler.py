"""The entry point of the Lambda function: function.handler.handler."""

import os
from typing import Any

from function.exchange import Exchange
from function.guard import Guard
from function.store import Store
from function.upsert import Context, Upsert

# Whatever the memory, and with it the share of a core: from 128 to 1769 MB none were faster than
# these, since a write takes little of it. `python -m tools.bench.handler` measures it.
WORKERS = 16

# Once per execution environment, while Lambda initialises it at full speed.
_upsert = Upsert(
    Store(Exchange(os.environ), os.environ["TABLE_NAME"]),
    WORKERS,
    Guard(os.environ.get("VERSION_ATTRIBUTE", "")),
)


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Store a batch of SQS messages; see function.upsert.Upsert."""
    return _upsert(event, context)
