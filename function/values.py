"""Values of which more is asked than JSON does: numbers as DynamoDB has them, and versions."""

import datetime
import re
from decimal import Context, DecimalException, Inexact, Overflow, Subnormal, Underflow
from typing import NamedTuple

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
SIGNIFICANT_DIGITS, SMALLEST_EXPONENT, LARGEST_EXPONENT = 38, -130, 125
_SMALL = f"is too close to 0, DynamoDB holds 0 and from 1E{SMALLEST_EXPONENT}"
_REASONS: dict[type[DecimalException], str] = {
    Overflow: f"is too large, DynamoDB holds less than 1E+{LARGEST_EXPONENT + 1}",
    Subnormal: _SMALL,
    Underflow: _SMALL,
    Inexact: f"has more than the {SIGNIFICANT_DIGITS} significant digits that DynamoDB holds",
}
_DYNAMODB = Context(
    SIGNIFICANT_DIGITS, None, SMALLEST_EXPONENT, LARGEST_EXPONENT, traps=[*_REASONS]
)
# RFC 3339, section 5.6, narrowed to UTC, upper case, and the nine digits of a nanosecond. Which
# days had a leap second is not looked up: it sorts before the next day, so order holds.
_TIMESTAMP = re.compile(
    r"(([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]|23:59:60))"
    r"(\.[0-9]{1,9})?(?:Z|\+00:00)"
)
_FIX = "send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"
_KINDS = {type(None): "null", bool: "a boolean", dict: "an object", list: "an array"}


class RejectedError(Exception):
    """Why a message can never be stored: for people, and telling no more of it than its form."""


class Number(str):
    """A number as DynamoDB takes it: 38 significant digits, 1E-130 to 9.9...E+125, or 0."""

    __slots__ = ()


class Timestamp(NamedTuple):
    """An instant in UTC, without zone and trailing zeros: its text sorts as time does."""

    instant: str  # 2025-03-30T01:00:00.5
    text: str  # as it came: 2025-03-30T01:00:00.500Z


Version = Number | Timestamp | None
"""None is the absent version."""


def number(literal: str) -> Number:
    """Return a number literal, as RFC 8259 spells it, as a DynamoDB number of the same value.

    Takes time linear in its length. Raises RejectedError if DynamoDB cannot hold the value exactly.
    """
    if len(literal) <= SIGNIFICANT_DIGITS and "e" not in literal and "E" not in literal:
        return Number(literal)  # too short to break a limit
    try:
        return Number(_DYNAMODB.create_decimal(literal).normalize(_DYNAMODB))
    except DecimalException as error:
        raise RejectedError(f"number {_REASONS[type(error)]}") from None


def parse_version(value: object) -> Version:
    """Return the version that a member of an event's JSON stands for.

    Raises RejectedError with the value's form, never the value, and what to send instead.
    """
    if isinstance(value, Number):
        return value
    if not isinstance(value, str):
        raise RejectedError(f"is {_KINDS[type(value)]}; {_FIX}")
    match = _TIMESTAMP.fullmatch(value)
    if match is None:
        # Every digit as 9 and every other letter as a: shape, not content.
        form = re.sub(r"[^\W\d_TZ]", "a", re.sub(r"\d", "9", value[:40]))
        more = "..." if len(value) > len(form) else ""
        raise RejectedError(f'has the form "{form}"{more}, 9 for a digit, a for a letter; {_FIX}')
    second, day, fraction = match.groups("")
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        raise RejectedError(f"is no day of the calendar; {_FIX}") from None
    return Timestamp(second + fraction.rstrip("0."), value)
