"""`python -m benchmarks.capacity_check`: the model beside measured runs on the local AWS.

Each run deploys the program to MiniStack, with a table whose every answer takes as long that the
handler, not MiniStack, sets the pace; fills the queue, lets the mapping go, and times the middle of
the drain. The model gets the settings and that answer's time, and nothing that was measured.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from pulumi.runtime import mocks as pulumi_mocks
from rich.console import Console
from rich.table import Table

from benchmarks.capacity import Load, Setup, saturated_rate, writes_of_batch
from benchmarks.stub import Stub, running_stub
from benchmarks.workload import state, written
from flow.deployed import Flow
from local.deployer import Deployer
from local.emulator import Emulator
from local.errors import LocalError
from local.program import run
from local.stacks import Stack, load_stack

TOLERANCE: Final = 0.20
WRITE_MS: Final = 400.0
# Left out at both ends of a drain: cold starts, and readers that find nothing more.
ROUNDS_LEFT_OUT: Final = 3
ROUNDS_TIMED: Final = 9
POLL_SECONDS: Final = 0.02
DEADLINE_SECONDS: Final = 120.0


class CheckError(Exception):
    """A run that cannot be judged; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Settings whose throughput the model must foresee."""

    batch_size: int
    maximum_concurrency: int
    memory_mb: int = 1024
    repeat: float = 0.0
    among: int = 1
    """How many messages in a row hold all of each id's, in random order."""

    @property
    def messages(self) -> int:
        """As many as the rounds take, in whole groups."""
        of_round = self.batch_size * self.maximum_concurrency
        groups = -(-(2 * ROUNDS_LEFT_OUT + ROUNDS_TIMED) * of_round // self.among)
        return groups * self.among

    @property
    def setup(self) -> Setup:
        """The case for the model: MiniStack's own time for a batch is left out."""
        return Setup(
            batch_size=self.batch_size,
            memory_mb=self.memory_mb,
            maximum_concurrency=self.maximum_concurrency,
            write_ms=WRITE_MS,
            poll_ms=0.0,
        )

    @property
    def writes_per_message(self) -> float:
        """What the model expects."""
        load = Load(rate=self.among, repeat_seconds=1, repeat=self.repeat)
        return writes_of_batch(load, self.batch_size) / self.batch_size

    @property
    def rate(self) -> float:
        """What the model expects, in messages per second."""
        writes = self.writes_per_message * self.batch_size
        return saturated_rate(self.setup, self.maximum_concurrency, writes)


CASES: Final = (
    Case(batch_size=10, maximum_concurrency=2),
    Case(batch_size=10, maximum_concurrency=4),
    Case(batch_size=1, maximum_concurrency=4),
    # Five writes at once: each batch takes two rounds of them ...
    Case(batch_size=10, maximum_concurrency=4, memory_mb=512),
    # ... and one round when its repeats cost no write.
    Case(batch_size=10, maximum_concurrency=4, memory_mb=512, repeat=0.8, among=20),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run came to."""

    rate: float
    """Messages per second."""
    writes_per_message: float


def bodies(case: Case, seed: int) -> list[str]:
    """Make the messages: groups of `among`, each with ids of its own, shuffled."""
    shuffle = random.Random(seed).shuffle  # noqa: S311 (no secret)
    per_id = round(1 / (1 - case.repeat))
    made: list[str] = []
    for first in range(0, case.messages, case.among):
        group = [state(first + i // per_id, i % per_id) for i in range(case.among)]
        shuffle(group)
        made += [json.dumps(each) for each in group]
    return made


def measure(case: Case, seed: int) -> Measured:
    """Deploy, fill the queue, let the mapping go, and time the middle of the drain.

    Raises CheckError if the queue does not drain or not every message was handled.
    """
    stack = load_stack("local").with_config(
        {
            "batchSize": case.batch_size,
            "maximumConcurrency": case.maximum_concurrency,
            "functionMemoryMb": case.memory_mb,
            "functionTimeoutSeconds": 20,
        }
    )
    messages = bodies(case, seed)
    with running_stub(WRITE_MS) as stub, Emulator(region=stack.region) as aws:
        flow = Flow(run(stack, _Deployer(aws, stack, stub)).outputs)
        lambda_ = aws.client("lambda")
        mapping = lambda_.list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
        lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)
        flow.send(messages)
        lambda_.update_event_source_mapping(UUID=mapping, Enabled=True)
        drain = list(_drain(flow))
        puts = written(stub.take())
    ids = {json.loads(body)["event_id"] for body in messages}
    if {put["event_id"] for put in puts} != ids:
        raise CheckError(f"of {len(ids)} ids {len({p['event_id'] for p in puts})} were written")
    left_out = ROUNDS_LEFT_OUT * case.batch_size * case.maximum_concurrency
    begin = next(point for point in drain if point[1] <= len(messages) - left_out)
    end = next(point for point in drain if point[1] <= left_out)
    return Measured(
        rate=(begin[1] - end[1]) / (end[0] - begin[0]),
        writes_per_message=len(puts) / len(messages),
    )


def _drain(flow: Flow) -> Iterator[tuple[float, int]]:
    """Yield the time and the messages left, whenever they have changed, until there are none."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    before = -1
    while before:
        left = flow.waiting()
        now = time.monotonic()
        if left != before:
            yield now, left
        before = left
        if now > deadline:
            raise CheckError(f"{left} messages were left after {DEADLINE_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


class _Deployer(Deployer):
    """Deploys the function with the stub for its table."""

    def __init__(self, aws: Emulator, stack: Stack, stub: Stub) -> None:
        super().__init__(aws, stack)
        self._stub = stub

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Create the resource, the function with one more variable."""
        if args.typ == "aws:lambda/function:Function":
            variables = {
                **args.inputs["environment"]["variables"],
                "AWS_ENDPOINT_URL_DYNAMODB": self._stub.url,
            }
            args.inputs = {**args.inputs, "environment": {"variables": variables}}
        return super().new_resource(args)


def compare(case: Case, repetitions: int) -> dict[str, Any]:
    """Measure a case several times and return it beside the model, the deviation of the median."""
    measured = [measure(case, seed) for seed in range(repetitions)]
    rates = [each.rate for each in measured]
    writes = [each.writes_per_message for each in measured]
    deviations = [
        median(rates) / case.rate - 1,
        median(writes) / case.writes_per_message - 1,
    ]
    return {
        **asdict(case),
        "messages": case.messages,
        "model_rate": case.rate,
        "measured_rates": rates,
        "rate_deviation": deviations[0],
        "model_writes_per_message": case.writes_per_message,
        "measured_writes_per_message": writes,
        "writes_deviation": deviations[1],
        "within": all(abs(deviation) <= TOLERANCE for deviation in deviations),
    }


def main(arguments: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> int:
    """Compare each case; 1 if the model is off by more than the tolerance in one of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity_check",
        description="Measure throughput on the local AWS, bound by the handler, beside the model. "
        f"Exit status 1 if one median is off by more than {TOLERANCE:.0%}.",
    )
    parser.add_argument("--repetitions", type=int, choices=range(1, 21), default=3, metavar="N")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    compared = []
    try:
        for number, case in enumerate(cases, 1):
            sys.stderr.write(f"{number} of {len(cases)}: {case}\n")
            compared.append(compare(case, options.repetitions))
    except (CheckError, LocalError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        sys.stdout.write(json.dumps(compared, indent=2) + "\n")
    else:
        _show(compared)
    return 0 if all(each["within"] for each in compared) else 1


def _show(compared: Sequence[dict[str, Any]]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    table = Table(
        *(
            "batch",
            "concurrency",
            "MB",
            "repeat",
            "model/s",
            "measured/s",
            "",
            "writes/message",
            "",
        ),
        title=f"Messages per second, bound by writes of {WRITE_MS:g} ms",
        title_justify="left",
    )
    for each in compared:
        rates, writes = each["measured_rates"], each["measured_writes_per_message"]
        table.add_row(
            str(each["batch_size"]),
            str(each["maximum_concurrency"]),
            str(each["memory_mb"]),
            f"{each['repeat']:g}",
            f"{each['model_rate']:.1f}",
            f"{median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})",
            f"{each['rate_deviation']:+.0%}",
            f"{each['model_writes_per_message']:.2f}, measured {median(writes):.2f}",
            f"{each['writes_deviation']:+.0%}" + ("" if each["within"] else " [red]too far"),
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
