"""`python -m tests.prove.leaks`: many invocations in one process, and what they leave behind.

The handler lives as in a warm execution environment of Lambda, against a stub of the table.
"""

import argparse
import gc
import os
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple

from tests.function.batches import Context, batch, record
from tools.bench.measure import environment
from tools.bench.stub import running_stub

# After this part of them, all that is kept for good has been made.
WARM: Final = 0.2
MOST_GROWTH: Final = 0.10
# What can be leaked by each invocation, to see it caught.
LEAKS: Final[dict[str, Callable[[], object]]] = {
    "memory": lambda: bytearray(10_000),
    "thread": lambda: threading.Thread(target=threading.Event().wait, daemon=True).start(),
    "file": lambda: os.open(os.devnull, os.O_RDONLY),
}


class Held(NamedTuple):
    """What this process holds, without what is only waiting to be collected."""

    megabytes: float
    threads: int
    files: int


def _held() -> Held:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    files = len([*Path("/proc/self/fd").iterdir()])
    return Held(megabytes, threading.active_count(), files)


def main() -> int:
    """Print one line; return 1 if memory grew by more than a tenth, or a thread or file is left."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.leaks", description=main.__doc__)
    parser.add_argument("--invocations", type=int, default=10_000, help="(%(default)s)")
    parser.add_argument("--leak", choices=LEAKS, help="what to leak, to see it caught")
    options = parser.parse_args()
    leak, leaked = LEAKS.get(options.leak, lambda: None), []
    with running_stub(latency_ms=0) as stub:
        os.environ |= environment(stub)
        from function.handler import handler  # it reads the environment

        for number in range(options.invocations):
            event = {"event_id": f"id-{number % 100}", "timestamp": number}
            longer = {**event, "timestamp": number - 1, "state": "x" * (number % 500)}
            other = {"event_id": f"other-{number % 1000}", "timestamp": "2025-03-30T01:00:00Z"}
            with redirect_stdout(StringIO()):
                handler(batch(*map(record, (longer, event, other, f"broken {number}"))), Context())
            leaked.append(leak())
            if number % 1000 == 0:
                stub.take()  # it remembers each request
            if number == int(WARM * options.invocations):
                before = _held()
        after = _held()
    growth = after.megabytes / before.megabytes - 1
    told = f"{options.invocations} invocations, memory {growth:+.1%}: from {before} to {after}\n"
    sys.stdout.write(told)
    return int(growth > MOST_GROWTH or after.threads > before.threads or after.files > before.files)


if __name__ == "__main__":
    sys.exit(main())
