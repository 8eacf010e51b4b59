"""What is sent: a line, an object or a table's item as the body of an SQS message, checked."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

from boto3.dynamodb.types import TypeDeserializer

from tools.load.errors import UnsendableError

EVENT_ID: Final = "event_id"
# The longest partition key of a DynamoDB item.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
EVENT_ID_BYTES: Final = 2048
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGE_BYTES: Final = 1_048_576
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_REFUSED_BY_SQS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def message_body(event: str | Mapping[str, Any]) -> str:
    """Return a JSON text as it is, or an object as JSON, if SQS takes it.

    Raises:
        UnsendableError: it is empty, too long, or holds what SQS or JSON has no form for.

    """
    text = event if isinstance(event, str) else to_json(event)
    if found := _REFUSED_BY_SQS.search(text):
        raise UnsendableError(f"has the character U+{ord(found[0]):04X}, which SQS refuses")
    if not 1 <= (size := len(text.encode())) <= MESSAGE_BYTES:
        raise UnsendableError(f"has {size} bytes, SQS takes 1 to {MESSAGE_BYTES}")
    return text


def to_json(value: object) -> str:
    """Write a value as JSON, a Decimal digit by digit, with nothing in it that SQS refuses.

    Raises:
        UnsendableError: JSON has no form for it.

    """
    if isinstance(value, Mapping):
        members = (f"{to_json(str(name))}:{to_json(each)}" for name, each in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(to_json, value))}]"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return _REFUSED_BY_SQS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise UnsendableError(f"holds a {type(value).__name__} that JSON has no form for") from None


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's item, which DynamoDB tells by types, as the event that it is."""
    event: dict[str, Any] = _Deserializer().deserialize({"M": item})
    return event


class _Deserializer(TypeDeserializer):
    """boto3's, but for a number that DynamoDB writes with more than 38 digits, such as 1E+50."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)


def item_body(item: Mapping[str, Any]) -> str:
    """Return a table's item as a message body, or raise UnsendableError."""
    return message_body(from_item(item))


def line_body(line: bytes, version_attribute: str | None, version: int) -> str:
    """Return a line as a message body, its numbers and spacing as they are.

    version_attribute: the member to add, first in the object, if it has none of that name.
    version: nanoseconds since 1970.

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
    if EVENT_ID not in event:
        raise UnsendableError(f"{EVENT_ID} is missing")
    if not isinstance(event_id := event[EVENT_ID], str):
        raise UnsendableError(f"{EVENT_ID} is not a string")
    try:
        size = len(event_id.encode())
    except UnicodeEncodeError:
        raise UnsendableError(f"{EVENT_ID} holds half of a surrogate pair") from None
    if not 1 <= size <= EVENT_ID_BYTES:
        raise UnsendableError(f"{EVENT_ID} has {size} bytes, it needs 1 to {EVENT_ID_BYTES}")
    if version_attribute and version_attribute not in event:
        member = f"{json.dumps(version_attribute)}:{json.dumps(timestamp(version))}"
        text = f"{{{member},{text[1:].lstrip()}"
    return message_body(text)


def timestamp(nanoseconds: int) -> str:
    """Write nanoseconds since 1970 as RFC 3339 in UTC, always with nine digits."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"


def _no_number(constant: str) -> NoReturn:
    raise UnsendableError(f"{constant} is not a JSON number")


# Numbers are only looked at, never written: no conversion can fail or cost time.
_JSON: Final = json.JSONDecoder(
    parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=_no_number
)
