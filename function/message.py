"""A message of a batch: the event that it carries, or why it has none, and what became of it."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Context, DecimalException, Inexact, Overflow, Subnormal
from enum import StrEnum
from json.encoder import encode_basestring as _quoted  # what json.dumps calls, without its frames
from typing import Any

# DynamoDB, "Quotas": partition keys and sort keys; attributes.
KEY_BYTES, NESTING = 2048, 32
_TOO_DEEP = f"body nests deeper than the {NESTING} levels that DynamoDB holds"
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
SIGNIFICANT_DIGITS, SMALLEST_EXPONENT, LARGEST_EXPONENT = 38, -130, 125
_REASONS: dict[type[DecimalException], str] = {
    Overflow: f"is too large, DynamoDB holds less than 1E+{LARGEST_EXPONENT + 1}",
    Subnormal: f"is too close to 0, DynamoDB holds 0 and from 1E{SMALLEST_EXPONENT}",
    Inexact: f"has more than the {SIGNIFICANT_DIGITS} significant digits that DynamoDB holds",
}
_DYNAMODB = Context(
    SIGNIFICANT_DIGITS, None, SMALLEST_EXPONENT, LARGEST_EXPONENT, traps=[*_REASONS]
)
# What a body is that is no event, by its form alone, and what to do about it.
_FORMS = {
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


class RejectedError(Exception):
    """Why a message can never be stored: for people, and telling no more of it than its form."""


class Number(str):
    """A number as DynamoDB takes it: 38 significant digits, 1E-130 to 9.9...E+125, or 0."""


class Outcome(StrEnum):
    """What became of a message; the first three acknowledge it."""

    WRITTEN = "written"
    SUPERSEDED = "superseded"  # a newer event of its id is stored; append-only: the same one
    COALESCED = "coalesced"  # it shares the fate of another event of its id in the batch
    REJECTED = "rejected"  # it can never be stored
    FAILED = "failed"  # it was not confirmed as stored, and may be on redelivery


class Message:
    """A record of an SQS batch, parsed, and what became of it: failed until more is known."""

    def __init__(
        self, record: Mapping[str, Any], key: str, read_version: Callable[[Any], object]
    ) -> None:
        """key: the member that identifies the state. read_version: may raise RejectedError."""
        self.record = record
        attributes = record.get("attributes")
        self.attributes: dict[str, Any] = attributes if isinstance(attributes, dict) else {}
        self.event_id: str | None = None  # if it tells a usable one
        self.version: Any = None  # what read_version returned
        self.item = b""  # by DynamoDB's types, in JSON: {"user_id":{"N":"42"}}; empty if rejected
        self.outcome = Outcome.FAILED
        self.reason = ""  # of what is not acknowledged, for people; tells form, not content
        self.is_put_aside = False  # whether SQS confirmed its dead letter
        try:
            members = _members(record.get("body"))
            self.event_id = _event_id(members, key)
            self.version = read_version(members)
            # An item is a map, but told without its type.
            self.item = _attribute(members, NESTING + 1)[len('{"M":') : -1].encode()
        except UnicodeEncodeError:
            self.settle(Outcome.REJECTED, "a string holds half of a surrogate pair")
        except RecursionError:
            self.settle(Outcome.REJECTED, _TOO_DEEP)
        except RejectedError as error:
            self.settle(Outcome.REJECTED, str(error))

    def settle(self, outcome: Outcome, reason: str = "") -> None:
        """Say what became of it."""
        self.outcome, self.reason = outcome, reason

    @property
    def is_acknowledged(self) -> bool:
        """Whether SQS may delete it."""
        return self.is_put_aside or self.outcome not in (Outcome.REJECTED, Outcome.FAILED)


def _members(body: object) -> dict[str, Any]:
    if not isinstance(body, str):
        raise RejectedError("message has no body")
    try:
        members = _JSON.decode(body)
    except json.JSONDecodeError as error:
        problem = f"body is not JSON: {error}"
    else:
        if isinstance(members, dict):
            return members
        problem = "body is not a JSON object"
    hints = (f"; {hint}" for form, hint in _FORMS.items() if re.match(form, body))
    raise RejectedError(problem + next(hints, ""))


def _event_id(members: dict[str, Any], key: str) -> str:
    if key not in members:
        names = members.keys()
        hints = (f": {hint}" for each, hint in _ENVELOPES.items() if names >= {*each.split()})
        raise RejectedError(f"{key} is missing" + next(hints, ""))
    event_id = members[key]
    if type(event_id) is not str:  # a Number is one, too
        raise RejectedError(f"{key} is not a string")
    if not event_id:
        raise RejectedError(f"{key} is empty")
    if (size := len(event_id.encode())) > KEY_BYTES:
        raise RejectedError(f"{key} has {size} bytes, DynamoDB holds {KEY_BYTES}")
    return event_id


def _attribute(value: Any, levels: int) -> str:
    """Return a value by its DynamoDB type, in JSON; so many levels may still nest in it."""
    # Written at once, because a json.dumps of dictionaries takes three times as long.
    if isinstance(value, str):
        return f'{{"{"N" if type(value) is Number else "S"}":{_quoted(value)}}}'
    if value is None:
        return '{"NULL":true}'
    if isinstance(value, bool):
        return '{"BOOL":true}' if value else '{"BOOL":false}'
    if not levels:
        raise RejectedError(_TOO_DEEP)
    if isinstance(value, list):
        return f'{{"L":[{",".join([_attribute(each, levels - 1) for each in value])}]}}'
    named = [f"{_quoted(name)}:{_attribute(each, levels - 1)}" for name, each in value.items()]
    return f'{{"M":{{{",".join(named)}}}}}'


def _number(literal: str) -> Number:
    """Return a number of the same value, in time linear to its length."""
    if not literal[-1].isdigit():
        raise RejectedError(f"{literal} is not a JSON number")  # NaN, Infinity or -Infinity
    if len(literal) <= SIGNIFICANT_DIGITS and "e" not in literal and "E" not in literal:
        return Number(literal)  # too short to break a limit
    try:
        return Number(_DYNAMODB.create_decimal(literal).normalize(_DYNAMODB))
    except DecimalException as error:
        raise RejectedError(f"number {_REASONS[type(error)]}") from None


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        # Which one counts is left open by RFC 8259, section 4: a guess would lose state.
        raise RejectedError("an object has two members of one name")
    return members


_JSON = json.JSONDecoder(
    object_pairs_hook=_unique_members,
    parse_int=_number,
    parse_float=_number,
    parse_constant=_number,
)
