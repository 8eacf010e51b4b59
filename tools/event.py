"""Events: as text, as messages, and as the table's items; read apart from the handler."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

from boto3.dynamodb.types import TypeDeserializer

KEY: Final = "event_id"
"""The member that names the state, where a stack's `keyAttribute` says nothing else."""
KEY_BYTES: Final = 2048
"""The longest partition key of a DynamoDB item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGE_BYTES: Final = 1_048_576
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_REFUSED_BY_SQS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class UnsendableError(Exception):
    """Why an event makes no message, in words that follow "line 7: "."""


def message_body(text: str) -> str:
    """Return a text as it is, if SQS takes it.

    Raises:
        UnsendableError: it is empty, too long, or holds a character that SQS refuses.

    """
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
        for name in value:
            if not isinstance(name, str):
                kind = type(name).__name__
                raise UnsendableError(f"names a member by a {kind}, and JSON by text alone")
        return f"{{{','.join(f'{to_json(name)}:{to_json(each)}' for name, each in value.items())}}}"
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


def line_body(line: bytes, key: str) -> str:
    """Return a line as a message body, its numbers and spacing as they are.

    key: the member that names the state. The checks are those of the function that cost little
    here; what they let through and it does not, such as a number of 39 digits, is a dead letter.

    Raises:
        UnsendableError: the line is no JSON object, has no usable key, or is too long.

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
    if key not in event:
        raise UnsendableError(f"{key} is missing")
    if not isinstance(event[key], str):
        raise UnsendableError(f"{key} is not a string")
    if not 1 <= (size := len(event[key].encode(errors="replace"))) <= KEY_BYTES:
        raise UnsendableError(f"{key} has {size} bytes, it needs 1 to {KEY_BYTES}")
    return message_body(text)


def _no_number(constant: str) -> NoReturn:
    raise UnsendableError(f"{constant} is not a JSON number")


# Numbers are only looked at, never written: no conversion can fail or cost time.
_JSON: Final = json.JSONDecoder(
    parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=_no_number
)


def decode(body: str) -> Any:
    """Return what a JSON text says, numbers as Decimal, as `Deployed.item` gives them.

    Raises ValueError if it is no JSON.
    """
    return json.loads(body, parse_int=Decimal, parse_float=Decimal)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in kind, too: to Python, True equals Decimal(1)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and bool(one == other)
