"""`python -m tools.capacity.check`: the model's throughput beside the program's on the local AWS.

Each run deploys the program to MiniStack, with a table whose every answer takes so long that the
handler, not MiniStack, sets the pace; fills the queue, lets the mapping go, and times the middle of
the drain. The model gets the settings and that answer's time, and nothing that was measured.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tools.bench.stub import running_stub
from tools.bench.workload import state, written
from tools.capacity.model import Load, Setup, handler_ms, ids_in_batch
from tools.capacity.report import print_table
from tools.deployed import Deployed
from tools.deployer import Deployer
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.program import run
from tools.stacks import load_stack

TOLERANCE: Final = 0.20
WRITE_MS: Final = 400.0
ROUNDS: Final = 15
GROUP: Final = 20  # so many messages in a row hold all of their ids', in random order
ROUNDS_LEFT_OUT: Final = 3  # at both ends: cold starts, and readers that find nothing more
DEADLINE_SECONDS: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """Settings whose throughput the model must foresee."""

    batch: int
    concurrency: int
    repeat: float = 0.0

    @property
    def writes(self) -> float:
        """What the model expects of a batch."""
        return ids_in_batch(Load(rate=GROUP, repeat=self.repeat, repeat_seconds=1), self.batch)

    @property
    def rate(self) -> float:
        """What the model expects, in messages per second; MiniStack's own time is left out."""
        setup = Setup(write_ms=WRITE_MS)
        return self.concurrency * self.batch * 1000 / handler_ms(setup, self.batch, self.writes)


CASES: Final = (
    Case(batch=10, concurrency=2),
    Case(batch=10, concurrency=4),
    Case(batch=1, concurrency=4),
    Case(batch=10, concurrency=4, repeat=0.8),
)


def bodies(case: Case) -> list[str]:
    """Make the messages of all rounds: groups, each with ids of its own, shuffled."""
    dice, per_id = random.Random(1), round(1 / (1 - case.repeat))  # noqa: S311 (no secret)
    made: list[str] = []
    for first in range(0, ROUNDS * case.batch * case.concurrency, GROUP):
        group = [json.dumps(state(first + i // per_id, i % per_id)) for i in range(GROUP)]
        made += dice.sample(group, len(group))
    return made


def measure(case: Case) -> tuple[float, float]:
    """Return a drain's messages per second and its writes per batch, or raise ToolError."""
    config = {"batchSize": case.batch, "maximumConcurrency": case.concurrency}
    stack = load_stack("local").with_config({**config, "functionTimeoutSeconds": 20})
    messages = bodies(case)
    with running_stub(WRITE_MS) as stub, Emulator(region=stack.region) as aws:
        outputs = run(stack, Deployer(aws, stack)).outputs
        lambda_, name = aws.client("lambda"), outputs["functionName"]
        environment = lambda_.get_function_configuration(FunctionName=name)["Environment"]
        environment["Variables"]["AWS_ENDPOINT_URL_DYNAMODB"] = stub.url
        environment["Variables"]["AWS_CA_BUNDLE"] = stub.ca_bundle
        lambda_.update_function_configuration(FunctionName=name, Environment=environment)
        mapping = lambda_.list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
        lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)
        flow = Deployed(outputs)
        flow.send(messages)
        lambda_.update_event_source_mapping(UUID=mapping, Enabled=True)
        left_out = ROUNDS_LEFT_OUT * case.batch * case.concurrency
        begin, at_first = _wait(flow, len(messages) - left_out)
        end, at_last = _wait(flow, left_out)
        _wait(flow, 0)
        puts = written(stub.take())
    if {put["event_id"] for put in puts} != {json.loads(body)["event_id"] for body in messages}:
        raise ToolError(f"Not every id was written, in {len(puts)} writes.")
    return (at_first - at_last) / (end - begin), len(puts) / len(messages) * case.batch


def _wait(flow: Deployed, most: int) -> tuple[float, int]:
    """Return the moment at which no more messages than that are left, and how many are."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (left := flow.waiting()) > most:
        if time.monotonic() > deadline:
            raise ToolError(f"{left} messages were left after {DEADLINE_SECONDS:.0f} s.")
        time.sleep(0.02)
    return time.monotonic(), left


def main(arguments: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> int:
    """Measure each case; exit status 1 if the model is off by more than 20 % in one of them."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.capacity.check", description=main.__doc__
    )
    parser.parse_args(arguments)
    rows, worst = [], 0.0
    try:
        for case in cases:
            rate, writes = measure(case)
            off = case.rate / rate - 1, case.writes / writes - 1
            worst = max(worst, *map(abs, off))
            settings = case.batch, case.concurrency, case.repeat
            found = f"{case.rate:.1f}", f"{rate:.1f}", f"{case.writes:.1f}", f"{writes:.1f}"
            rows.append([*map(str, settings), *found, *(f"{each:+.0%}" for each in off)])
    except ToolError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    columns = "batch, concurrency, repeat, model/s, measured/s, model's writes, measured"
    title = f"Throughput, and writes of a batch, with writes of {WRITE_MS:g} ms"
    print_table(title, [*columns.split(", "), "off by", "and by"], rows)
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
