"""`python -m tools.bench.cost`: what repeats cost with and without readBeforeWrite.

On the embedded AWS: the function's own code stores events through its own connections, and each
request is counted as DynamoDB charges it.
Prices: https://aws.amazon.com/dynamodb/pricing/on-demand/ (us-east-1).
"""

import contextlib
import io
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from function.loop import Loop
from function.request import Request, Task
from function.service import Service
from function.upsert import Upsert
from tools.emulator import Emulator

EVENTS: Final = 10_000
BATCH: Final = 10
WRITE_USD, READ_USD = 0.625e-6, 0.125e-6
TABLE: Final = "events"


class _Counted:
    """A loop that counts what its requests cost: DynamoDB, "Read and write units"."""

    def __init__(self, loop: Loop, size: int) -> None:
        self._loop = loop
        self._size = size
        self.counts: Counter[str] = Counter()

    def run(self, tasks: Iterable[Task], begin_until: float, wait_until: float) -> None:
        """Run the tasks, counted."""
        self._loop.run(map(self._count, tasks), begin_until, wait_until)

    def _count(self, task: Task) -> Task:
        wish = next(task, None)
        while wish is not None:
            if isinstance(wish, Request):
                self.counts["requests"] += 1
                keys = json.loads(wish.body).get("RequestItems", {}).get(TABLE, {}).get("Keys")
                if keys is None:  # a write, whether its condition holds or not
                    self.counts["write_units"] += math.ceil(self._size / 1024)
                else:  # consistent, of whole items, whatever is asked of them
                    self.counts["read_units"] += len(keys) * math.ceil(self._size / 4096)
            try:
                wish = task.send((yield wish))
            except StopIteration:
                return


def _bodies(size: int, repeats: float) -> list[str]:
    """Make events of so many bytes; a share of them says again what came long before."""
    rng, first = random.Random(1), EVENTS - int(EVENTS * repeats)  # noqa: S311 (repeatable)
    numbers = [*range(first), *(rng.randrange(first) for _ in range(EVENTS - first))]
    head = '{{"event_id": "evt-{0:08}", "timestamp": {0}, "padding": "'
    return [
        head.format(number) + "x" * (size - len(head.format(number)) - 30) + '"}'
        for number in numbers
    ]


class _Context:
    function_name = "EventUpsertLambda"
    aws_request_id = "cost"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def measure(aws: Emulator, size: int, repeats: float, *, reads: bool) -> dict[str, Any]:
    """Store the events; return requests, units and dollars of 10,000 events."""
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
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TABLE_NAME": TABLE,
        "VERSION_ATTRIBUTE": "timestamp",
        "READ_BEFORE_WRITE": str(reads).lower(),
    }
    loop = _Counted(Loop(Service("dynamodb", environment)), size)
    upsert, bodies = Upsert(environment, loop), _bodies(size, repeats)
    with contextlib.redirect_stdout(io.StringIO()):
        for start in range(0, EVENTS, BATCH):
            records = [
                {"messageId": str(start + place), "body": body}
                for place, body in enumerate(bodies[start : start + BATCH])
            ]
            answer = upsert({"Records": records}, _Context())
            if answer["batchItemFailures"]:
                raise RuntimeError(f"the embedded AWS failed {answer}")
    client.delete_table(TableName=TABLE)
    counts = {name: loop.counts[name] for name in ("requests", "write_units", "read_units")}
    usd = counts["write_units"] * WRITE_USD + counts["read_units"] * READ_USD
    return {
        "kb": size // 1024,
        "repeats": repeats,
        "readBeforeWrite": reads,
        **counts,
        "usd": round(usd, 6),
    }


def main() -> None:
    """Print a line of JSON for each size, share of repeats, and without and with the read."""
    with Emulator() as aws:
        for size in (1024, 3072):
            for repeats in (0.0, 0.5, 0.9):
                for reads in (False, True):
                    row = measure(aws, size, repeats, reads=reads)
                    sys.stdout.write(json.dumps(row) + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
