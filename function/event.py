"""An SQS message as an event: its id, its version, and the item to store, or why there is none."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from function.number import Number, number
from function.outcome import RejectedError
from function.version import Version

KEY_BYTES = 2048
"""The longest partition key: DynamoDB, "Quotas", partition keys and sort keys."""
NESTING = 32
"""How deep lists and maps nest in an item: DynamoDB, "Quotas", attributes."""

Item = dict[str, dict[str, Any]]
"""Attribute values by name in DynamoDB's own JSON: {"user_id": {"N": "42"}}."""


ReadVersion = Callable[[Mapping[str, Any]], Version]
"""Returns the version in an event's members; raises RejectedError if what is there is none."""


class Event(NamedTuple):
    """The state that one message carries."""

    arrival: int
    """The message's place in its batch."""
    event_id: str
    version: Version
    item: Item


class Rejection(NamedTuple):
    """A message that can never be stored."""

    arrival: int
    event_id: str | None
    """None if the message does not tell a usable one."""
    reason: str
    """For people; says nothing of the content but its form."""


def parse(
    record: Mapping[str, Any], arrival: int, key: str, read_version: ReadVersion
) -> Event | Rejection:
    """Return the event in a record of an SQS batch, or its rejection; never raises.

    key: the member that identifies the state, the table's key.
    """
    event_id: str | None = None
    try:
        members = _members(record.get("body"))
        event_id = _event_id(members, key)
        version = read_version(members)
        item = {_text(name): _attribute(value, NESTING) for name, value in members.items()}
    except UnicodeEncodeError:
        return Rejection(arrival, event_id, "a string holds half of a surrogate pair")
    except RecursionError:
        return Rejection(arrival, event_id, _TOO_DEEP)
    except RejectedError as error:
        return Rejection(arrival, event_id, str(error))
    return Event(arrival, event_id, version, item)


_TOO_DEEP = f"body nests deeper than the {NESTING} levels that DynamoDB holds"


def _members(body: object) -> dict[str, Any]:
    if not isinstance(body, str):
        raise RejectedError("message has no body")
    try:
        members = _JSON.decode(body)
    except json.JSONDecodeError as error:
        raise RejectedError(f"body is not JSON: {error}{_hint(_TEXTS, body)}") from None
    if not isinstance(members, dict):
        raise RejectedError(f"body is not a JSON object{_hint(_TEXTS, body)}")
    return members


# What a body is that is no event, by its form alone, and what to do about it.
_TEXTS = {
    "\ufeff": "it begins with a byte order mark; send it as UTF-8 without one",
    r'\s*"\s*\{': "it is JSON in a JSON string; serialise the event once",
    r"(?:ey[IJ]|ewog|ew0K)[A-Za-z0-9+/]*=*\s*\Z": "it looks like base64; send the JSON itself",
    # https://github.com/awslabs/amazon-sqs-java-extended-client-lib
    r'\s*\[\s*"[\w.]*PayloadS3Pointer"': "it is the extended client library's pointer to S3; send "
    "the event itself, for DynamoDB stores no more than SQS carries",
}
# Envelopes, by the members that each always holds.
# https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
# https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html
# https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
_ENVELOPES = {
    "Type MessageId TopicArn Message Timestamp": "it is wrapped in an SNS notification; turn on raw"
    " message delivery for the subscription",
    "id detail-type source account time region detail": "it is wrapped in an EventBridge event;"
    ' give the rule\'s target the input path "$.detail"',
    "specversion id source type": "it is wrapped in a CloudEvent; send its data, or put the key"
    " beside it",
}


def _hint(forms: Mapping[str, str], body: str) -> str:
    hints = [f"; {words}" for form, words in forms.items() if re.match(form, body)]
    return "".join(hints[:1])


def _event_id(members: dict[str, Any], key: str) -> str:
    if key not in members:
        hints = [
            f": {words}" for names, words in _ENVELOPES.items() if {*names.split()} <= {*members}
        ]
        raise RejectedError("".join([f"{key} is missing", *hints[:1]]))
    event_id = members[key]
    if not isinstance(event_id, str) or isinstance(event_id, Number):
        raise RejectedError(f"{key} is not a string")
    if not event_id:
        raise RejectedError(f"{key} is empty")
    size = len(event_id.encode())
    if size > KEY_BYTES:
        raise RejectedError(f"{key} has {size} bytes, DynamoDB holds {KEY_BYTES}")
    return event_id


def _attribute(value: Any, levels: int) -> dict[str, Any]:
    """Return a value of the body as a DynamoDB attribute value.

    levels: how many lists and maps may still nest, so that recursion is bounded for everyone who
    walks the item later.
    """
    if isinstance(value, Number):
        return {"N": value}
    if isinstance(value, str):
        return {"S": _text(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if not levels:
        raise RejectedError(_TOO_DEEP)
    if isinstance(value, list):
        return {"L": [_attribute(element, levels - 1) for element in value]}
    return {"M": {_text(name): _attribute(inner, levels - 1) for name, inner in value.items()}}


def _text(text: str) -> str:
    """Return text if it has a UTF-8 form, else raise UnicodeEncodeError."""
    if not text.isascii():
        text.encode()
    return text


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        # Which one counts is left open by RFC 8259, section 4: a guess would lose state.
        raise RejectedError("an object has two members of one name")
    return members


def _no_number(constant: str) -> NoReturn:
    raise RejectedError(f"{constant} is not a JSON number")


_JSON = json.JSONDecoder(
    object_pairs_hook=_unique_members,
    parse_int=number,
    parse_float=number,
    parse_constant=_no_number,
)
