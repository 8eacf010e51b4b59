"""A line of JSON as the body of an SQS message: checked before it is sent, and given a version."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NoReturn

EVENT_ID: Final = "event_id"
# The longest partition key of a DynamoDB item.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
EVENT_ID_BYTES: Final = 2048
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGE_BYTES: Final = 1_048_576
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_REFUSED_BY_SQS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class UnsendableError(Exception):
    """Why a line cannot become an event, in words that follow "line 7: "."""


def body(line: bytes, version_attribute: str | None, version: Callable[[], int]) -> str:
    """Return a line as a message body, its numbers and spacing as they are.

    version_attribute: the member to add, first in the object, if it has none of that name.
    version: returns nanoseconds since 1970, larger each time.

    The checks are those of the function that cost little here; what they let through and it does
    not, such as a number of 39 digits, becomes a dead letter.

    Raises:
        UnsendableError: the line is no JSON object, has no usable event_id, or is too long.

    """
    try:
        text = line.decode().strip()
        event = _JSON.decode(text)
    except UnicodeDecodeError:
        raise UnsendableError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise UnsendableError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise UnsendableError("nests too deep") from None
    if not isinstance(event, dict):
        raise UnsendableError("not a JSON object")
    _check_event_id(event)
    if found := _REFUSED_BY_SQS.search(text):
        raise UnsendableError(f"has the character U+{ord(found[0]):04X}, which SQS refuses")
    if version_attribute and version_attribute not in event:
        member = f"{json.dumps(version_attribute)}:{json.dumps(timestamp(version()))}"
        text = f"{{{member},{text[1:].lstrip()}"
    size = len(text.encode())
    if size > MESSAGE_BYTES:
        raise UnsendableError(f"has {size} bytes, SQS takes {MESSAGE_BYTES}")
    return text


def timestamp(nanoseconds: int) -> str:
    """Write nanoseconds since 1970 as RFC 3339 in UTC, always with nine digits."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"


def _check_event_id(event: dict[str, object]) -> None:
    event_id = event.get(EVENT_ID)
    if EVENT_ID not in event:
        raise UnsendableError(f"{EVENT_ID} is missing")
    if not isinstance(event_id, str):
        raise UnsendableError(f"{EVENT_ID} is not a string")
    try:
        size = len(event_id.encode())
    except UnicodeEncodeError:
        raise UnsendableError(f"{EVENT_ID} holds half of a surrogate pair") from None
    if not 1 <= size <= EVENT_ID_BYTES:
        raise UnsendableError(f"{EVENT_ID} has {size} bytes, it needs 1 to {EVENT_ID_BYTES}")


def _no_number(constant: str) -> NoReturn:
    raise UnsendableError(f"{constant} is not a JSON number")


# Numbers are only looked at, never written: no conversion can fail or cost time.
_JSON: Final = json.JSONDecoder(
    parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=_no_number
)
