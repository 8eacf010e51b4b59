"""What a version is: a JSON number, an RFC 3339 timestamp in UTC, or absent."""

import datetime
import re
from typing import NamedTuple

from function.number import Number, RejectedError

# RFC 3339, section 5.6, narrowed to UTC, upper case, and the nine digits of a nanosecond. Which
# days had a leap second is not looked up: it sorts before the next day, so order holds.
_TIMESTAMP = re.compile(
    r"(([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]|23:59:60))"
    r"(\.[0-9]{1,9})?(?:Z|\+00:00)"
)
_FIX = "send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"
_KINDS = {type(None): "null", bool: "a boolean", dict: "an object", list: "an array"}
_SHOWN = 40


class Timestamp(NamedTuple):
    """An instant in UTC, without zone and trailing zeros: its text sorts as time does."""

    instant: str  # 2025-03-30T01:00:00.5
    text: str  # as it came: 2025-03-30T01:00:00.500Z


Version = Number | Timestamp | None
"""None is the absent version."""


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
        form = re.sub(r"[^\W\d_TZ]", "a", re.sub(r"\d", "9", value[:_SHOWN]))
        more = "..." if len(value) > _SHOWN else ""
        raise RejectedError(f'has the form "{form}"{more}, 9 for a digit, a for a letter; {_FIX}')
    second, day, fraction = match.groups("")
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        raise RejectedError(f"is no day of the calendar; {_FIX}") from None
    return Timestamp(second + fraction.rstrip("0."), value)
