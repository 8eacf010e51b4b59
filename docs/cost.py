"""`python -m docs.cost`: scaling.md's table of what repeats cost with and without readBeforeWrite.

The function's own code stores events in a table of the embedded AWS, and its counts tell what it
asked of the table.
"""

import contextlib
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from function.loop import Loop
from function.service import Service
from function.upsert import Upsert
from tools.aws import CREDENTIALS
from tools.bench.measure import TABLE, sqs_event
from tools.bench.variants import CONTEXT
from tools.capacity import PRICES, READ_UNIT_BYTES, WRITE_UNIT_BYTES, units
from tools.deployed import outcomes
from tools.emulator import Emulator

EVENTS: Final = 10_000
BATCH: Final = 10


def _batches(size: int, repeats: float) -> Iterator[dict[str, Any]]:
    """Yield batches of events of so many bytes; a share of them repeats what came long before."""
    rng, first = random.Random(1), EVENTS - int(EVENTS * repeats)  # noqa: S311 (repeatable)
    numbers = [*range(first), *(rng.randrange(first) for _ in range(EVENTS - first))]
    padding = "x" * (size - 80)
    events = [{"event_id": f"evt-{n:08}", "timestamp": n, "padding": padding} for n in numbers]
    for start in range(0, EVENTS, BATCH):
        yield sqs_event(events[start : start + BATCH])


def measure(aws: Emulator, size: int, repeats: float, *, reads: bool) -> dict[str, Any]:
    """Store the events; return units and dollars of 10,000 events."""
    client = aws.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    environment = {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_REGION": aws.region,
        **{name.upper(): text for name, text in CREDENTIALS.items()},
        "TABLE_NAME": TABLE,
        "VERSION_ATTRIBUTE": "timestamp",
        "READ_BEFORE_WRITE": str(reads).lower(),
    }
    upsert = Upsert(environment, Loop(Service("dynamodb", environment)))
    with contextlib.redirect_stdout(io.StringIO()) as log:
        for batch in _batches(size, repeats):
            if upsert(batch, CONTEXT)["batchItemFailures"]:
                raise RuntimeError("the embedded AWS failed")
    client.delete_table(TableName=TABLE)
    counts: Counter[str] = Counter()
    for line in log.getvalue().splitlines():
        counts.update(outcomes(json.loads(line)))
    ids = EVENTS - counts["Coalesced"]  # each once in a batch
    writes = ids - counts["SavedWrites"]  # whether the condition holds or not
    used = {
        "write_unit": writes * units(size, WRITE_UNIT_BYTES),
        "read_unit": ids * units(size, READ_UNIT_BYTES) if reads else 0,  # consistent
    }
    usd = sum(PRICES[name] * count / 1e6 for name, count in used.items())
    return {"kb": size // 1024, "repeats": repeats, "reads": reads, **used, "usd": usd}


if __name__ == "__main__":
    with Emulator() as aws:
        for size, repeats, reads in product((1024, 3072), (0.0, 0.5, 0.9), (False, True)):
            print(json.dumps(measure(aws, size, repeats, reads=reads)), flush=True)
