"""Deployed beside the handler: calls it, and holds each answer against AWS's contract.

Lambda treats an answer that breaks the contract as the failure of the whole batch, the embedded AWS
as success. What is found goes to a file: the log of the embedded AWS forgets old lines.
"""

import json
import os
from pathlib import Path
from typing import Any

_FILE = Path(os.environ["WATCHED_FILE"])
# The path tells the proxy which process it is talking to.
os.environ["AWS_ENDPOINT_URL_DYNAMODB"] += f"/{os.getpid()}"
os.environ["AWS_ENDPOINT_URL_SQS"] = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]

from batches import failed  # type: ignore[import-not-found] # noqa: E402 (deployed with it)
from sabotage import sabotage  # type: ignore[import-not-found] # noqa: E402 (deployed with it)

from function import queue  # noqa: E402

# As much shorter as the run's visibility timeout is than the program's.
queue.FIRST_SECONDS, queue.LONGEST_SECONDS = 1, 3
if _SABOTAGE := os.environ.get("SABOTAGE"):
    sabotage(_SABOTAGE)

from function.handler import handler as handler_under_test  # noqa: E402


def handler(event: dict[str, Any], context: Any) -> Any:
    """Note how often each message came; then handle."""
    _note(
        received=[int(each["attributes"]["ApproximateReceiveCount"]) for each in event["Records"]]
    )
    answer = handler_under_test(event, context)
    try:
        failed(answer, event)
    except AssertionError:
        _note(violation=answer)
    return answer


def _note(**members: Any) -> None:
    with _FILE.open("a") as file:  # one short write: lines of several processes never mix
        file.write(json.dumps(members) + "\n")
