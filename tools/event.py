"""Events: as text, as messages, and as the table's items; read apart from the handler."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

from boto3.dynamodb.types import TypeDeserializer

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


def line_body(line: bytes, key: str) -> str:
    """Return a line as a message body, its numbers and spacing as they are.

    key: the member that names the state. The checks are those of the function that cost little
    here; what they let through and it does not, such as a number of 39 digits, is a dead letter.

    Raises:
        UnsendableError: the line is no JSON object, has no usable key, or is too long.

    """
    try:
        text = line.decode().strip()
        event = json.loads(text, parse_int=_unread, parse_float=_unread, parse_constant=_refuse)
    except UnicodeDecodeError:
        raise UnsendableError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise UnsendableError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise UnsendableError("nests too deep") from None
    if not isinstance(event, dict):
        raise UnsendableError("not a JSON object")
    if not isinstance(event.get(key), str):
        problem = "is not a string" if key in event else "is missing"
        raise UnsendableError(f"{key} {problem}")
    if not 1 <= (size := len(event[key].encode(errors="replace"))) <= KEY_BYTES:
        raise UnsendableError(f"{key} has {size} bytes, it needs 1 to {KEY_BYTES}")
    return message_body(text)


def _unread(_: str) -> int:
    """Stand for a number, which is never written: no conversion can fail or cost time."""
    return 0


def _refuse(constant: str) -> NoReturn:
    raise UnsendableError(f"{constant} is not a JSON number")


def decode(body: str) -> Any:
    """Return what a JSON text says, numbers as Decimal, as `Deployed.item` gives them.

    Raises ValueError if it is no JSON.
    """
    return json.loads(body, parse_int=Decimal, parse_float=Decimal)


def to_json(value: object) -> str:
    """Write a value as JSON, a Decimal digit by digit, with nothing in it that SQS refuses.

    Raises:
        UnsendableError: JSON has no form for it.

    """
    match value:
        case Mapping() if all(isinstance(name, str) for name in value):
            pairs = (f"{to_json(name)}:{to_json(each)}" for name, each in value.items())
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(map(to_json, value))}]"
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return _REFUSED_BY_SQS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        case Decimal() if value.is_finite():
            return str(value)
        case None | bool() | int():
            return json.dumps(value)
    raise UnsendableError(f"holds a {type(value).__name__} that JSON has no form for")


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's item, which DynamoDB tells by types, as the event that it is."""
    event: dict[str, Any] = _Deserializer().deserialize({"M": item})
    return event


class _Deserializer(TypeDeserializer):
    """boto3's, but for a number that DynamoDB writes with more than 38 digits, such as 1E+50."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in kind, too: to Python, True equals Decimal(1)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and bool(one == other)
