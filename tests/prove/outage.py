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
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

from function.request import Answer, Request
from function.upsert import Upsert
from tests.function.batches import MANAGED, invoke, record
from tests.function.memory import Driver, Memory, error, upsert

BATCH: Final = 10
BEFORE_MINUTES: Final = 10
MOST_MINUTES: Final = 24 * 60
# The program's, with a function timeout of 30 s: infra/settings.py.
VISIBILITY_SECONDS: Final = 180
DELIVERIES: Final = {False: 5, True: 30}


@dataclass
class World:
    """A queue, its dead-letter queue and a table, at a moment."""

    managed: bool
    away: tuple[float, float]
    """From when until when every write fails, in seconds."""
    now: float = 0
    memory: Memory = field(default_factory=Memory)
    dead: set[str] = field(default_factory=set)
    stored_at: float = 0
    waits: list[tuple[float, int, int]] = field(default_factory=list)
    """When a message is visible (a heap), its number and how often it was received."""

    def answer(self, request: Request) -> Answer:
        """Answer as DynamoDB, which is away or not, and as SQS, which is not."""
        if request.service == "dynamodb":
            if self.away[0] <= self.now < self.away[1]:
                return error("InternalServerError", 500)
            self.stored_at = self.now
        return self.memory(request)

    def deliver(self, function: Upsert, messages: Sequence[tuple[int, int]]) -> None:
        """Hand a batch over, and do with each message what SQS would."""
        records = [
            record({"event_id": str(number)}, str(number), received)
            for number, received in messages
        ]
        self.memory.pauses.clear()
        with redirect_stdout(StringIO()):
            failed = invoke(function, *records)
        for each, (number, received) in zip(records, messages, strict=True):
            if each["messageId"] not in failed:
                continue
            if received >= DELIVERIES[self.managed]:
                # SQS moves it when it would be received once more.
                self.dead.add(str(number))
            else:
                seconds = self.memory.pauses.get(each["receiptHandle"], VISIBILITY_SECONDS)
                heapq.heappush(self.waits, (self.now + seconds, number, received + 1))


def simulate(*, managed: bool, hours: float, a_minute: int = 20) -> dict[str, Any]:
    """Send so many messages a minute until the table is back; return what became of them."""
    random.seed(1)  # the function's jitter, repeatable
    away = (BEFORE_MINUTES * 60, (BEFORE_MINUTES + hours * 60) * 60)
    world = World(managed, away)
    function = upsert(Driver(world.answer), **(MANAGED if managed else {}))
    stored = world.memory.items.keys()
    sent, series = 0, list[dict[str, float]]()
    for minute in range(MOST_MINUTES):
        world.now = minute * 60
        if world.now < away[1]:
            for _ in range(a_minute):
                heapq.heappush(world.waits, (world.now, sent, 1))
                sent += 1
        while world.waits and world.waits[0][0] < (minute + 1) * 60:
            world.now = max(world.now, world.waits[0][0])
            batch: list[tuple[int, int]] = []
            while world.waits and len(batch) < BATCH and world.waits[0][0] <= world.now:
                _, number, received = heapq.heappop(world.waits)
                batch.append((number, received))
            world.deliver(function, batch)
        series.append(
            {
                "minutes": minute + 1,
                "stored": len(stored),
                "waiting": sent - len(stored | world.dead),
                "dead": len(world.dead - stored),
            }
        )
        if world.now >= away[1] and len(stored | world.dead) == sent:
            break
    return {
        "managed": managed,
        "outage_minutes": [second / 60 for second in away],
        "sent": sent,
        "dead": len(world.dead - stored),
        "all_stored_minutes": None if world.dead - stored else world.stored_at / 60,
        "last_waited_minutes": max(0, world.stored_at - away[1]) / 60,
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
