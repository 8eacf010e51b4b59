"""`python -m tools.bench.cost`: what repeats cost with and without readBeforeWrite.

On the embedded AWS: the function's own code stores events through its own connections, and each
request is counted as DynamoDB charges it.
"""

import contextlib
import io
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from function.loop import Loop
from function.request import Request, Task
from function.service import Service
from function.upsert import Upsert
from tools.aws import CREDENTIALS
from tools.bench.measure import TABLE
from tools.bench.variants import Context
from tools.capacity import PRICES, READ_UNIT_BYTES, WRITE_UNIT_BYTES, units
from tools.emulator import Emulator

EVENTS: Final = 10_000
BATCH: Final = 10


class _Counted(Loop):
    """A loop that counts what its requests cost."""

    def __init__(self, service: Service, size: int) -> None:
        super().__init__(service)
        self._size = size
        self.counts: Counter[str] = Counter()

    def run(self, tasks: Iterable[Task], begin_until: float, wait_until: float) -> None:
        """Run the tasks, counted."""
        super().run(map(self._count, tasks), begin_until, wait_until)

    def _count(self, task: Task) -> Task:
        with contextlib.suppress(StopIteration):
            wish = next(task)
            while True:
                if isinstance(wish, Request):
                    self.counts["requests"] += 1
                    asked = json.loads(wish.body).get("RequestItems")
                    if asked is None:  # a write, whether its condition holds or not
                        self.counts["write_unit"] += units(self._size, WRITE_UNIT_BYTES)
                    else:  # consistent, of whole items, whatever is asked of them
                        keys = len(asked[TABLE]["Keys"])
                        self.counts["read_unit"] += keys * units(self._size, READ_UNIT_BYTES)
                wish = task.send((yield wish))


def _batches(size: int, repeats: float) -> Iterator[dict[str, Any]]:
    """Yield batches of events of so many bytes; a share of them repeats what came long before."""
    rng, first = random.Random(1), EVENTS - int(EVENTS * repeats)  # noqa: S311 (repeatable)
    numbers = [*range(first), *(rng.randrange(first) for _ in range(EVENTS - first))]
    padding = "x" * (size - 80)
    for start in range(0, EVENTS, BATCH):
        bodies = [
            f'{{"event_id":"evt-{n:08}","timestamp":{n},"padding":"{padding}"}}'
            for n in numbers[start : start + BATCH]
        ]
        yield {"Records": [{"messageId": str(i), "body": body} for i, body in enumerate(bodies)]}


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
        **{name.upper(): text for name, text in CREDENTIALS.items()},
        "TABLE_NAME": TABLE,
        "VERSION_ATTRIBUTE": "timestamp",
        "READ_BEFORE_WRITE": str(reads).lower(),
    }
    loop = _Counted(Service("dynamodb", environment), size)
    upsert = Upsert(environment, loop)
    with contextlib.redirect_stdout(io.StringIO()):
        for batch in _batches(size, repeats):
            if upsert(batch, Context())["batchItemFailures"]:
                raise RuntimeError("the embedded AWS failed")
    client.delete_table(TableName=TABLE)
    usd = sum(loop.counts[name] * PRICES[name].usd / 1e6 for name in ("write_unit", "read_unit"))
    return {"kb": size // 1024, "repeats": repeats, "reads": reads, **loop.counts, "usd": usd}


if __name__ == "__main__":
    with Emulator() as aws:
        for size in (1024, 3072):
            for repeats in (0.0, 0.5, 0.9):
                for reads in (False, True):
                    print(json.dumps(measure(aws, size, repeats, reads=reads)), flush=True)
