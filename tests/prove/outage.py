"""`python -m tests.prove.outage`: the table is away for hours, with and without managed retries.

The function's own code (function.upsert) handles every delivery; time, Lambda's poller, SQS and the
table are a simulation, as SQS documents them: a message that was not deleted is delivered again
when its visibility timeout ends, and is a dead letter after maxReceiveCount deliveries. Nothing
here waits: a simulated hour takes about a second.
"""

import argparse
import heapq
import json
import random
import sys
from typing import Any, Final

from function.request import Answer, Request
from tests.function.batches import MANAGED, deliver, record
from tests.function.memory import Driver, Memory, error, upsert

BATCH: Final = 10
BEFORE_MINUTES, MOST_MINUTES = 10, 24 * 60
# The program's, with a function timeout of 30 s: infra/settings.py.
VISIBILITY_SECONDS: Final = 180
DELIVERIES: Final = {False: 5, True: 30}


def simulate(*, managed: bool, hours: float, a_minute: int = 20) -> dict[str, Any]:
    """Send so many messages a minute until the table is back; return what became of them."""
    random.seed(1)  # the function's jitter, repeatable
    begin, end = BEFORE_MINUTES * 60, (BEFORE_MINUTES + hours * 60) * 60
    memory = Memory()
    now = stored_at = 0.0
    sent, dead = 0, set[str]()
    waits: list[tuple[float, int, int]] = []
    """When a message is visible (a heap), its number and how often it was received."""

    def answer(request: Request) -> Answer:
        """Answer as DynamoDB, which is away or not, and as SQS, which is not."""
        nonlocal stored_at
        if request.service == "dynamodb":
            if begin <= now < end:
                return error("InternalServerError", 500)
            stored_at = now
        return memory(request)

    function = upsert(Driver(answer), **(MANAGED if managed else {}))

    def deliver_batch() -> None:
        """Hand over a batch of what is visible, and do with each message what SQS would."""
        received: dict[str, int] = {}
        while waits and len(received) < BATCH and waits[0][0] <= now:
            _, number, times = heapq.heappop(waits)
            received[str(number)] = times
        records = {each: record({"event_id": each}, each, received[each]) for each in received}
        memory.pauses.clear()
        for each in deliver(function, *records.values()).failed:
            if received[each] >= DELIVERIES[managed]:
                dead.add(each)  # SQS moves it when it would be received once more
            else:
                pause = memory.pauses.get(records[each]["receiptHandle"], VISIBILITY_SECONDS)
                heapq.heappush(waits, (now + pause, int(each), received[each] + 1))

    series: list[dict[str, int]] = []
    for minute in range(MOST_MINUTES):
        now = minute * 60.0
        if now < end:
            for number in range(sent, sent + a_minute):
                heapq.heappush(waits, (now, number, 1))
            sent += a_minute
        while waits and waits[0][0] < (minute + 1) * 60:
            now = max(now, waits[0][0])
            deliver_batch()
        counts = {"stored": len(memory.items), "dead": len(dead - memory.items.keys())}
        waiting = sent - sum(counts.values())
        series.append({"minutes": minute + 1, **counts, "waiting": waiting})
        if now >= end and not waiting:
            break
    return {
        "managed": managed,
        "outage_minutes": [begin / 60, end / 60],
        "sent": sent,
        "dead": series[-1]["dead"],
        "all_stored_minutes": None if series[-1]["dead"] else stored_at / 60,
        "last_waited_minutes": max(0, stored_at - end) / 60,
        "series": series,
    }


def main() -> int:
    """Print both runs as JSON; return 1 if managed retries left a dead letter, or one too late."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.outage", description=__doc__)
    parser.add_argument("--hours", type=float, default=2, help="the table is away (%(default)s)")
    hours = parser.parse_args().hours
    runs = [simulate(managed=managed, hours=hours) for managed in (False, True)]
    sys.stdout.write(json.dumps({"runs": runs}) + "\n")
    for run in runs:
        shown = {name: value for name, value in run.items() if name != "series"}
        sys.stderr.write(json.dumps(shown) + "\n")
    managed = runs[1]
    return int(managed["dead"] > 0 or managed["last_waited_minutes"] > 15)


if __name__ == "__main__":
    sys.exit(main())
