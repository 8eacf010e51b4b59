"""One process of one variant: fresh, with a clean environment, on the stub; and what it took."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from function.loop import AT_ONCE
from tools.bench.stub import Stub
from tools.bench.workload import TABLE, State, difference, sqs_event, state, written

MEMORY_MB = 512
WARM_UP_EVENTS = AT_ONCE  # enough that each of its connections is there


class BenchmarkError(Exception):
    """A variant did not do its work; the message names it and says what was wrong."""


@dataclass(frozen=True)
class Run:
    """One process of one variant: what it took and what the endpoint received."""

    first_write_ms: float
    wall_ms: float  # per batch
    cpu_ms: float  # per event
    writes_per_message: float


def environment(stub: Stub, memory_mb: int) -> dict[str, str]:
    """Return what Lambda sets, and nothing of this machine's AWS settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "HOME": os.devnull,  # no ~/.aws
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "x" * 800,  # its length is signed and sent with each request
        "AWS_ENDPOINT_URL": stub.url,
        "AWS_CA_BUNDLE": stub.ca_bundle,
        "AWS_LAMBDA_FUNCTION_NAME": "EventUpsertLambda",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "TABLE_NAME": TABLE,
        "VERSION_ATTRIBUTE": "timestamp",
    }


def run(
    name: str,
    build: str,
    batches: Sequence[Sequence[State]],
    stub: Stub,
    memory_mb: int = MEMORY_MB,
    group: Path | None = None,
    warm_up_events: int = WARM_UP_EVENTS,
) -> Run:
    """Run one variant in a fresh process on these batches, in the control group if there is one.

    Raises BenchmarkError if it failed, or if the endpoint did not receive every event unchanged.
    """
    first = [state(0)]
    warm_up = [state(1 + i) for i in range(warm_up_events)]
    events = json.dumps([sqs_event(batch) for batch in (first, warm_up, *batches)])
    with subprocess.Popen(
        [sys.executable, "-m", "tools.bench.variants", build],
        cwd=Path(__file__).parents[2],
        env=environment(stub, memory_mb),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if group is not None:
                group.write_text(str(process.pid))  # before it has read anything to do
            out, err = process.communicate(events)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise BenchmarkError(f"{name} ended with status {process.returncode}: {err.strip()}")
    result = json.loads(out)
    puts = written(stub.take())
    measured = [s for batch in batches for s in batch]
    if result["failures"]:
        raise BenchmarkError(f"{name} reported {result['failures']} messages as failed")
    if wrong := difference([*first, *warm_up, *measured], puts):
        raise BenchmarkError(f"{name}: {wrong}")
    return Run(
        first_write_ms=result["first_write_ms"],
        wall_ms=median(result["wall_ms"]),
        cpu_ms=sum(result["cpu_ms"]) / len(measured),
        writes_per_message=(len(puts) - len(first) - len(warm_up)) / len(measured),
    )
