"""One process of one variant, fresh and in a clean environment, on the stub; and what it took."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from function.loop import AT_ONCE
from tools.bench.stub import Stub
from tools.capacity import MEMORY_MB_PER_CPU
from tools.event import decode, from_item
from tools.stacks import PROJECT

TABLE: Final = "event-state-target-table"
MEMORY_MB: Final = 512
WARM_UP_EVENTS: Final = 4 * AT_ONCE  # enough that each of its connections is there
PERIOD_US: Final = 20_000  # short, so that a throttled batch of some 10 ms waits as in Lambda
State = dict[str, Any]


class BenchmarkError(Exception):
    """A variant did not do its work; the message names it and says what was wrong."""


class Run(NamedTuple):
    """What one process took, and what the endpoint received."""

    first_write_ms: float
    wall_ms: float  # per batch
    cpu_ms: float  # per event
    writes_per_message: float


def state(number: int, revision: int = 0) -> State:
    """Make an order's whole state, 615 bytes of JSON or so; a higher revision (0-59) is newer."""
    return {
        "event_id": f"evt-{number:010d}",
        "timestamp": f"2025-03-30T01:00:{revision:02d}.{number % 1000:03d}Z",
        "type": "order.updated",
        "user_id": 42_000_000 + number,
        "status": ("created", "paid", "shipped", "delivered")[revision % 4],
        "customer": {
            "name": "Zoë Ångström",
            "address": {"street": "12 Rue de l'Église", "city": "Saint-Étienne", "country": "FR"},
        },
        "items": [{"sku": f"SKU-{number % n:05d}", "price": 19.99, "gift": None} for n in (97, 98)],
        "total": 34.99 + number % 3,
        "paid": True,
        "tags": ["web", "returning-customer", "express"],
        "note": "Leave it with the neighbour on the second floor, please; " * 3,
    }


def sqs_event(states: Sequence[State]) -> dict[str, Any]:
    """Make what Lambda hands to a function for one batch from the queue."""
    rest = {
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1743296400000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:event-state-queue",
        "awsRegion": "eu-west-1",
    }
    bodies = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in states]
    ids = [f"5d1c7a3e-0f2b-4b7c-9d3e-{number:012d}" for number in range(len(bodies))]
    pairs = zip(ids, bodies, strict=True)
    return {"Records": [{"messageId": each, "body": body, **rest} for each, body in pairs]}


def difference(sent: Sequence[State], puts: Sequence[State]) -> str:
    """Say what is wrong, if the puts do not end at the last state of each id, exactly as sent."""
    exact = decode(json.dumps(sent))
    expected, stored = ({s["event_id"]: s for s in states} for states in (exact, puts))
    ids = sorted(expected.keys() | stored.keys())
    wrong = [each for each in ids if expected.get(each) != stored.get(each)]
    return f"{len(wrong)} of {len(expected)} items are not as sent: {wrong[0]}" if wrong else ""


def environment(stub: Stub, memory_mb: int = MEMORY_MB) -> Mapping[str, str]:
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


@contextmanager
def cpu_quota(memory_mb: int, root: Path = Path("/sys/fs/cgroup")) -> Iterator[Path | None]:
    """Make a control group with Lambda's share of a CPU, where the system allows it.

    Yields the file for its processes' ids, or None.
    """
    quota_us = PERIOD_US * memory_mb // MEMORY_MB_PER_CPU
    if (root / "cgroup.controllers").exists():  # version 2
        group, limits = root, {"cpu.max": f"{quota_us} {PERIOD_US}"}
    else:
        group = root / "cpu"
        limits = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
    group /= f"handler-benchmark-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        for name, value in limits.items():
            (group / name).write_text(value)
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


def run(
    build: str,
    batches: Sequence[Sequence[State]],
    stub: Stub,
    memory_mb: int = MEMORY_MB,
    group: Path | None = None,
    warm_up_events: int = WARM_UP_EVENTS,
) -> Run:
    """Run one variant in a fresh process on these batches, in the control group if there is one.

    build: what makes its handler, as module:function. Raises BenchmarkError if it failed, or if the
    endpoint did not receive every event unchanged.
    """
    everything = [[state(0)], [state(1 + i) for i in range(warm_up_events)], *batches]
    with subprocess.Popen(
        [sys.executable, "-m", "tools.bench.variants", build],
        cwd=PROJECT,
        env=environment(stub, memory_mb),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if group is not None:
                group.write_text(str(process.pid))  # before it has read anything to do
            out, err = process.communicate(json.dumps([*map(sqs_event, everything)]))
        except BaseException:  # Ctrl-C, too, leaves no process behind
            process.kill()
            raise
    puts = [
        from_item(request["Item"])
        for request in stub.take()
        if request["operation"] == "PutItem" and request["TableName"] == TABLE
    ]
    name = build.rpartition(":")[2]
    if process.returncode:
        raise BenchmarkError(f"{name} ended with status {process.returncode}: {err.strip()}")
    result = json.loads(out)
    if result["failures"]:
        raise BenchmarkError(f"{name} reported {result['failures']} messages as failed")
    if wrong := difference([each for batch in everything for each in batch], puts):
        raise BenchmarkError(f"{name}: {wrong}")
    measured = sum(map(len, batches))
    return Run(
        first_write_ms=result["first_write_ms"],
        wall_ms=median(result["wall_ms"]),
        cpu_ms=sum(result["cpu_ms"]) / measured,
        writes_per_message=(len(puts) - 1 - warm_up_events) / measured,
    )
