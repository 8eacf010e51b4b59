"""Deployed with the function, in its handler's place: calls it, and watches what it answers.

Faults can be put into it on purpose: a check that cannot fail proves nothing.
"""

import json
import os
import re
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any, Final

from function import connection, queue, table
from function.message import Outcome
from function.policy import Policy
from function.upsert import Upsert
from tests.function.batches import failed

Task = Generator[Any, Any, Any]


def _acknowledge_before_write(write: Any, self: Any, group: Any) -> Task:
    for message in group:
        message.settle(Outcome.WRITTEN)
    yield from write(self, group)


def _swallow_an_exception(meaning: Any, *given: Any, **named: Any) -> Any:
    meant = meaning(*given, **named)
    return meant._replace(outcome=Outcome.WRITTEN, pause=0) if meant.pause else meant


def _any_length(read: Any, receive: Any, most_bytes: int) -> Task:
    head, end, body = (yield from receive()).partition(b"\r\n\r\n")
    length = b"content-length:%d" % len(body)
    whole = re.sub(rb"(?i)content-length: *\d+", length, head) + end + body

    def received() -> Task:
        return whole
        yield

    return (yield from read(received, most_bytes))


def _drop_the_loser(write: Any, self: Any, group: Any) -> Task:
    yield from write(self, group[:1])
    for message in group[1:]:
        message.settle(Outcome.COALESCED)


def _letter_before_it_is_confirmed(put_aside: Any, self: Any, message: Any, troubles: Any) -> Task:
    message.is_put_aside = True
    yield from put_aside(self, message, troubles)
    message.is_put_aside = True


# Where it is, its name, and what is called in its place, with the original first.
SABOTAGES: Final[dict[str, tuple[Any, str, Callable[..., Any]]]] = {
    "acknowledge-before-write": (table.Table, "write", _acknowledge_before_write),
    "swallow-an-exception": (table, "_meaning", _swallow_an_exception),
    "no-condition": (Policy, "condition", lambda *_: {}),
    "any-length": (connection, "read", _any_length),
    "drop-the-loser": (table.Table, "write", _drop_the_loser),
    "answer-nothing": (Upsert, "__call__", lambda call, *given: call(*given) and {}),
    "read-taken-for-a-write": (Policy, "is_settled", lambda *given: given[-1] != {}),
    "conflict-acknowledged": (Policy, "conflict", lambda *_: ""),
    "letter-before-it-is-confirmed": (queue.Queue, "put_aside", _letter_before_it_is_confirmed),
    "pause-of-twelve-hours": (queue, "pause_seconds", lambda *_: 12 * 3600),
}


def sabotage(name: str) -> None:
    """Put the fault in."""
    owner, attribute, instead = SABOTAGES[name]
    original = getattr(owner, attribute)
    setattr(owner, attribute, lambda *given, **named: instead(original, *given, **named))


@cache
def _handler_under_test() -> Callable[[Any, Any], Any]:
    # The path tells the proxy which process it is talking to.
    for service in ("DYNAMODB", "SQS"):
        os.environ[f"AWS_ENDPOINT_URL_{service}"] = f"{os.environ['PROXY_URL']}/{os.getpid()}"
    # As much shorter as the run's visibility timeout is than the program's.
    queue.FIRST_SECONDS, queue.LONGEST_SECONDS = 1, 3
    if name := os.environ["SABOTAGE"]:
        sabotage(name)
    from function.handler import handler  # it reads the environment

    return handler


def handler(event: dict[str, Any], context: Any) -> Any:
    """Note how often each message came; then handle, and note an answer that Lambda refuses.

    Lambda treats an answer that breaks its contract as the failure of the whole batch, the embedded
    AWS as success.
    """
    attributes = [each["attributes"] for each in event["Records"]]
    _note(received=[int(each["ApproximateReceiveCount"]) for each in attributes])
    answer = _handler_under_test()(event, context)
    try:
        failed(answer, event)
    except AssertionError:
        _note(violation=answer)
    return answer


def _note(**members: Any) -> None:
    """Add to a file what is found: the log of the embedded AWS forgets old lines."""
    with Path(os.environ["WATCHED_FILE"]).open("a") as file:
        file.write(json.dumps(members) + "\n")  # short: lines of several processes never mix
