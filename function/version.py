"""The version guard: what a version is, which of two is newer, and the condition that says so.

A version is a JSON number, an RFC 3339 timestamp in UTC, or absent. Timestamps outrank numbers and
numbers outrank none. `rank` orders the events of one batch, `condition` lets DynamoDB compare a
new event with the stored one; both draw the same line:

    stored:   none      number < n   number = n   number > n   timestamp
    absent    superseded ----------------------------------------------->   (nothing stored: write)
    number n  write     write        write        superseded   superseded

    stored:   none, number   earlier    same text   same instant, other text   later
    timestamp     write      write      write       superseded                 superseded
"""

import calendar
import datetime
import re
from decimal import Decimal
from typing import Any, NamedTuple

from function.number import Number
from function.outcome import RejectedError

# RFC 3339, section 5.6, narrowed to UTC, upper case, and the nine digits of a nanosecond.
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T((?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60))"
    r"(?:\.([0-9]{1,9}))?(?:Z|\+00:00)"
)
_MEND = "send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"
_KINDS = {type(None): "null", bool: "a boolean", dict: "an object", list: "an array"}
_SHOWN = 40


class Timestamp(NamedTuple):
    """An instant in UTC and how it was written."""

    second: str
    """To the second, without zone: 2025-03-30T01:00:00."""
    fraction: str
    """The digits after the point, without trailing zeros; empty for a whole second."""
    text: str
    """As it stands in the event, and so in the table."""


Version = Number | Timestamp | None
"""None is the absent version."""


def parse_version(value: object) -> Version:
    """Return the version that a member of an event's JSON stands for.

    Raises RejectedError with the value's form, never the value, and what to send instead.
    """
    if isinstance(value, Number):
        return value
    if not isinstance(value, str):
        raise RejectedError(f"is {_KINDS[type(value)]}; {_MEND}")
    match = _TIMESTAMP.fullmatch(value)
    if match is None:
        raise RejectedError(f"has the form {_form(value)}; {_MEND}")
    day, clock, fraction = match.groups("")
    if not _is_on_the_calendar(day, clock):
        raise RejectedError(f"is no moment of the calendar; {_MEND}")
    return Timestamp(f"{day}T{clock}", fraction.rstrip("0"), value)


def rank(version: Version) -> tuple[int, *tuple[Any, ...]]:
    """Return a key that sorts versions from oldest to newest; equal keys are the same moment."""
    if version is None:
        return (0,)
    if isinstance(version, Number):
        return (1, Decimal(version))
    # Fixed width to the second, then digits after a point: for both, text order is time order.
    return (2, version.second, version.fraction)


def condition(version: Version, attribute: str) -> dict[str, Any]:
    """Return the parameters of PutItem that let no event overwrite a newer one of its id.

    attribute: name of the top-level attribute that holds the version in the stored item.
    Comparing values of two types is never true in DynamoDB, so no comparison needs a type check.
    """
    names = {"#version": attribute}
    absent = "attribute_not_exists(#version)"
    if version is None:
        return {"ConditionExpression": absent, "ExpressionAttributeNames": names}
    if isinstance(version, Number):
        not_newer = "#version <= :version"
        foreign = "NOT (attribute_type(#version, :number) OR attribute_type(#version, :string))"
        expression = f"{absent} OR {not_newer} OR {foreign}"
        values = {":version": {"N": version}, ":number": {"S": "N"}, ":string": {"S": "S"}}
    else:
        # Text order is time order but for one case: a stored fraction that is a proper prefix of
        # the new one is earlier, and yet "Z" sorts after every digit. So these are listed:
        #
        #   new 00.519Z    stored  00Z  00.5Z  00.51Z | 00.518Z  00.5+00:00 | 00.519Z | 00.52Z
        #                          `--- prefix -----'   `- earlier_text --'   `-same-'  (newer)
        second, fraction, text = version
        bound = f"{second}.{fraction}" if fraction else second
        prefixes = [
            f"{second}.{fraction[:length]}Z" if length else f"{second}Z"
            for length in range(len(fraction))
        ]
        other_type = "NOT attribute_type(#version, :string)"
        earlier_text = "#version < :bound"
        same_or_prefix = f"#version IN ({', '.join(f':v{i}' for i in range(len(prefixes) + 1))})"
        expression = f"{absent} OR {other_type} OR {earlier_text} OR {same_or_prefix}"
        values = {":string": {"S": "S"}, ":bound": {"S": bound}}
        values |= {f":v{i}": {"S": spelling} for i, spelling in enumerate([text, *prefixes])}
    return {
        "ConditionExpression": expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _is_on_the_calendar(day: str, clock: str) -> bool:
    try:
        date = datetime.date.fromisoformat(day)
    except ValueError:
        return False
    if clock.endswith(":60"):
        # A leap second is the last second of a month in UTC (ITU-R TF.460). Which months had one
        # is not looked up: 23:59:60 sorts between 23:59:59 and the next day, so order holds.
        last_day = calendar.monthrange(date.year, date.month)[1]
        return clock == "23:59:60" and date.day == last_day
    return True


def _form(text: str) -> str:
    """Return text with every digit as 9 and every other letter as a: shape, not content."""
    shown = re.sub(r"[^\W\d_TZ]", "a", re.sub(r"\d", "9", text[:_SHOWN]))
    return f'"{shown}"' + ("..." if len(text) > _SHOWN else "")
