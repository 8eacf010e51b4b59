"""What the two halves of the function say to each other: a request goes out, an answer comes in.

Whoever knows what is to be done writes a task: a generator that yields a Request, or the seconds of
a pause. The loop (function.loop) carries many of them at once, sends each its Answer, and closes
those that time leaves behind.
"""

import json
import os
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

_TARGETS = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS"}
# Made once, unlike json.dumps's; and what is asked is a tree: a quarter less time.
_encode = json.JSONEncoder(check_circular=False).encode


class Request(NamedTuple):
    """One attempt of one operation of a service with AWS's JSON protocol 1.0."""

    service: str  # dynamodb or sqs, as in its endpoint and its signature
    target: str  # the header x-amz-target: DynamoDB_20120810.PutItem
    body: bytes
    invocation_id: str  # the same for all attempts, by which AWS tells them from other requests
    most_bytes: int = 65_536  # of an answer, its head included
    attempt: int = 1
    is_fresh: bool = False  # it needs a new connection: the attempt before it got no answer


class Answer(NamedTuple):
    """A whole answer, of the length that it announced, and of its checksum if it named one."""

    status: int  # 0: none came, and the body says why, for people
    body: bytes
    request_id: str = ""  # AWS's
    is_checked: bool = False  # whether it named its CRC-32, as DynamoDB does and SQS does not
    is_last: bool = False  # whether the connection ends with it: RFC 9112, 9.6

    def json(self) -> dict[str, Any]:
        """Return the object that its body holds; an empty one if it holds none."""
        try:
            said = json.loads(self.body.decode())
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}


Task = Generator[Request | float, Any, None]
"""Is sent an Answer to a Request, and None after a pause."""


def make_request(
    service: str, operation: str, parameters: Mapping[str, Any], most_bytes: int = 65_536
) -> Request:
    """Return the first attempt of an operation of dynamodb or sqs."""
    target, body = f"{_TARGETS[service]}.{operation}", _encode(parameters).encode()
    return Request(service, target, body, os.urandom(16).hex(), most_bytes)
