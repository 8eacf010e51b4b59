"""`python -m tools.capacity.measure`: the model's figures, and how near it comes."""

import argparse
import sys
from collections.abc import Sequence
from statistics import median
from typing import Final

from tools.bench.cpu_quota import cpu_quota
from tools.bench.handler import Run, run
from tools.bench.stub import Stub, running_stub
from tools.bench.workload import repeated
from tools.capacity.aws import MEMORY_MB_PER_CPU
from tools.capacity.model import Setup, handler_ms
from tools.capacity.report import print_table

ROUNDS: Final = 3
BATCHES: Final = 20
TIMES: Final = ((128, 10), (256, 10), (512, 1), (512, 10), (512, 100), (1769, 100))


def measure(stub: Stub, memory_mb: int, messages: int, percent: int = 0) -> Run:
    """Run batches with so many per cent repeats, under the CPU quota of a function of that size."""
    batches = [repeated(messages, percent, 1000 + messages * i) for i in range(BATCHES)]
    with cpu_quota(memory_mb) as group:
        if group is None:
            sys.exit("error: no CPU quota can be set: this needs root on Linux with cgroups")
        return run("handler", "tools.bench.variants:handler", batches, stub, memory_mb, group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the handler's CPU times, and its time per batch beside the model's."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.capacity.measure", description=main.__doc__
    )
    parser.parse_args(arguments)
    with running_stub(Setup().write_ms) as stub:

        def cpu_ms(messages: int, percent: int = 0) -> float:  # of a batch
            runs = [measure(stub, MEMORY_MB_PER_CPU, messages, percent) for _ in range(ROUNDS)]
            return median(run.cpu_ms for run in runs) * messages

        one, distinct, repeats = cpu_ms(1), cpu_ms(100), cpu_ms(100, percent=90)
        per_write = (distinct - repeats) / 90  # 100 writes less 10
        per_message = (distinct - one) / 99 - per_write
        print_table(
            "CPU, milliseconds of a whole core",
            ("an invocation", "a message", "a write"),
            [[f"{each:.2f}" for each in (one - per_message - per_write, per_message, per_write)]],
        )
        rows = []
        for memory_mb, messages in TIMES:
            wall = median(measure(stub, memory_mb, messages).wall_ms for _ in range(ROUNDS))
            modelled = handler_ms(Setup(memory_mb=memory_mb), messages, messages)
            rows.append((f"{memory_mb}", f"{messages}", f"{modelled:.1f}", f"{wall:.1f}"))
    print_table("Milliseconds of a batch", ("MB", "batch", "model", "measured"), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
