"""The entry point of the Lambda function: function.handler.handler."""

import os
from typing import Any

from function.connection import Service
from function.loop import Loop
from function.upsert import Upsert

# Once per execution environment, while Lambda initialises it at full speed.
_names = ["dynamodb", "sqs"] if "QUEUE_URL" in os.environ else ["dynamodb"]
_upsert = Upsert(os.environ, Loop(*(Service(name, os.environ) for name in _names)))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Store a batch of SQS messages; see function.upsert.Upsert."""
    return _upsert(event, context)
