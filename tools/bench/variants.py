"""The handlers that are compared, and the process in which one of them runs.

Each imports what it needs, builds its clients and returns a Lambda handler, as at a cold start; the
peers as their documentation shows it, with exact numbers and the partial batch response.
"""

import json
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

THREADS = 10  # as many as boto3 keeps connections, if it is not told otherwise
# What Lambda hands over beside the event, with the deadline out of reach.
CONTEXT: Any = SimpleNamespace(
    function_name="EventUpsertLambda",
    aws_request_id="0b6e1c5c-7a0e-4f0a-9d54-1f2f3a4b5c6d",
    get_remaining_time_in_millis=lambda: 900_000,
)
Handler = Callable[[dict[str, Any], Any], Any]


def handler() -> Handler:
    """Import the handler that Lambda runs."""
    from function.handler import handler

    return handler


def _each(put: Callable[[dict[str, Any]], object], run: Callable[..., Any] = map) -> Handler:
    """Put each state, and report those that failed."""
    from decimal import Decimal

    def attempt(record: dict[str, Any]) -> str:
        try:
            put(json.loads(record["body"], parse_float=Decimal))
        except Exception:  # whatever it is, SQS brings the message again
            return str(record["messageId"])
        return ""

    def handle(event: dict[str, Any], _context: Any) -> Any:
        failed = filter(None, run(attempt, event["Records"]))
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    return handle


def client_loop(run: Callable[..., Any] = map) -> Handler:
    """Put one item after another with boto3's low-level client: the baseline."""
    import boto3
    from boto3.dynamodb.types import TypeSerializer

    client, serialize = boto3.client("dynamodb"), TypeSerializer().serialize
    table = os.environ["TABLE_NAME"]

    def put(state: dict[str, Any]) -> None:
        item = {name: serialize(value) for name, value in state.items()}
        client.put_item(TableName=table, Item=item)

    return _each(put, run)


def threads() -> Handler:
    """Put items on ten threads: what a good engineer would write."""
    from concurrent.futures import ThreadPoolExecutor

    return client_loop(ThreadPoolExecutor(THREADS).map)


def _table() -> Any:
    import boto3

    return boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def resource_loop() -> Handler:
    """Put one item after another with boto3's Table resource."""
    table = _table()
    return _each(lambda state: table.put_item(Item=state))


def powertools_batch(wrap: Callable[[Any], Any] = lambda upsert: upsert) -> Handler:
    """Put items with the Table resource in Powertools' BatchProcessor."""
    from decimal import Decimal

    from aws_lambda_powertools.utilities import batch

    table, processor = _table(), batch.BatchProcessor(event_type=batch.EventType.SQS)

    def upsert(record: Any) -> None:
        table.put_item(Item=json.loads(record.body, parse_float=Decimal))

    wrapped = wrap(upsert)
    return lambda event, context: batch.process_partial_response(
        event=event, record_handler=wrapped, processor=processor, context=context
    )


def powertools_idempotency() -> Handler:
    """Put items likewise, with Powertools' Idempotency by message id, kept in DynamoDB."""
    from aws_lambda_powertools.utilities import idempotency

    config = idempotency.IdempotencyConfig(event_key_jmespath="messageId", lambda_context=CONTEXT)
    layer = idempotency.DynamoDBPersistenceLayer(table_name="idempotency")
    return powertools_batch(
        lambda upsert: idempotency.idempotent_function(
            upsert, data_keyword_argument="record", config=config, persistence_store=layer
        )
    )


def main() -> None:
    """Run the variant that the argument names (module:function) on stdin's JSON array of batches.

    They are the first write, a warm-up, and those to measure.
    """
    signal.alarm(600)  # were the parent killed, a client would retry without an endpoint for hours
    build = pkgutil.resolve_name(sys.argv[1])
    results = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a handler's own lines are not results
    first, warm_up, *batches = json.load(sys.stdin)

    start = time.perf_counter()
    handle = build()
    answers = [handle(first, CONTEXT)]
    told: dict[str, Any] = {"first_write_ms": (time.perf_counter() - start) * 1000}

    answers.append(handle(warm_up, CONTEXT))
    told |= {"wall_ms": [], "cpu_ms": []}
    for batch in batches:
        cpu, wall = time.process_time(), time.perf_counter()
        answers.append(handle(batch, CONTEXT))
        told["wall_ms"].append((time.perf_counter() - wall) * 1000)
        told["cpu_ms"].append((time.process_time() - cpu) * 1000)
    told["failures"] = sum(len(answer["batchItemFailures"]) for answer in answers)
    json.dump(told, results)


if __name__ == "__main__":
    main()
