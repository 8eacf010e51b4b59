"""The function's loop, led to a server of the test, and what it is asked."""

import time
from pathlib import Path
from typing import Any

from function.loop import Loop
from function.request import Answer, Request, Task
from function.service import Service
from tests.function.server import Server

News = Answer | str
HERE = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


def open_files() -> int:
    """Count what this process has open, where that can be told."""
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.exists() else 0


def looped(url: str, folder: Path | None = None, **environment: str) -> Loop:
    """Make a loop on a server."""
    bundle = {"AWS_CA_BUNDLE": str(folder / "ca.pem")} if folder else {}
    return Loop(Service("dynamodb", {**HERE, "AWS_ENDPOINT_URL": url, **bundle, **environment}))


def asking(into: list[News], **changed: Any) -> Task:
    """Return a task that asks once, and says what came."""
    request = Request("dynamodb", "DynamoDB_20120810.PutItem", b"{}", "id")
    answer = yield request._replace(**changed)
    into.append(answer if answer.status else answer.body.decode())


def run(made: Loop, *tasks: Task, begin: float = 10, wait: float = 12) -> float:
    """Run tasks; return the seconds that it took."""
    started = time.monotonic()
    made.run(iter(tasks), started + begin, started + wait)
    return time.monotonic() - started


def at_once(made: Loop, times: int, **changed: Any) -> list[Any]:
    """Ask many times at once; return the statuses, or why there was none."""
    said: list[News] = []
    run(made, *(asking(said, **changed) for _ in range(times)))
    return [each.status if isinstance(each, Answer) else each for each in said]


def ask(made: Loop, times: int = 1, **changed: Any) -> list[Any]:
    """Ask one after another; return the statuses, or why there was none."""
    return [each for _ in range(times) for each in at_once(made, 1, **changed)]


def numbers(server: Server) -> list[int]:
    """Return on which connection each request came."""
    return [request.connection for request in server.requests]
