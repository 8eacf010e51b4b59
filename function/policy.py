"""Which event of an id stays: the newest, the first, or the last to arrive.

Newest (a version attribute): no event overwrites a newer one.

    stored:   none      number < n   number = n   number > n   timestamp
    absent    superseded ----------------------------------------------->   (nothing stored: write)
    number n  write     write        write        superseded   superseded

    stored:   none, number   earlier    same text   same instant, other text   later
    timestamp     write      write      write       superseded                 superseded

First (append only): an item is written once; the same event again, equal in value, is superseded,
and another one under its id a conflict. Last (neither): every event is written.
"""

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from function.message import Message, Number, RejectedError

# RFC 3339, section 5.6, narrowed to UTC, upper case, and the nine digits of a nanosecond. Which
# days had a leap second is not looked up: it sorts before the next day, so order holds.
_TIMESTAMP = re.compile(
    r"(([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]|23:59:60))"
    r"(\.[0-9]{1,9})?(?:Z|\+00:00)"
)
_SECOND = len("2025-03-30T01:00:00")
_FIX = "send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"
_KINDS = {type(None): "null", bool: "a boolean", dict: "an object", list: "an array"}


class Version(NamedTuple):
    """What orders the events of an id: timestamps rank above numbers, and these above nothing."""

    rank: tuple[int, Any] = (0, 0)  # or 1 and the number, 2 and the instant: 2025-03-30T01:00:00.5
    text: str = ""  # as DynamoDB holds it: 2025-03-30T01:00:00.500Z


class Policy:
    """One of the three, as the environment says; `attribute` holds the version, if one counts."""

    def __init__(self, environment: Mapping[str, str], key: str) -> None:
        """key: the name of the table's key."""
        self._key = key
        self._is_first = environment.get("APPEND_ONLY") == "true"
        self._is_required = environment.get("REQUIRE_VERSION") == "true"
        self.attribute = "" if self._is_first else environment.get("VERSION_ATTRIBUTE", "")

    def version(self, members: Mapping[str, Any]) -> Version:
        """Return the version in an event's members; RejectedError if what is there is none."""
        if self.attribute and self.attribute in members:
            try:
                return _parse(members[self.attribute])
            except RejectedError as error:
                raise RejectedError(f"{self.attribute} {error}") from None
        if self.attribute and self._is_required:
            raise RejectedError(f"{self.attribute} is missing, and every event needs a version")
        return Version()

    def order(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return a batch's messages of one id in the order in which they are tried."""
        if self._is_first or len(messages) == 1:
            return messages
        return sorted(messages, key=lambda each: each.version.rank)[::-1]  # of equals the last

    def conflict(self, message: Message, standing: bytes) -> str:
        """Return why an event is rejected beside the item that the table holds, or nothing."""
        if not self._is_first or message.item == standing:  # as its own is, once it is written
            return ""
        one, other = (json.loads(each, object_hook=_in_value) for each in (message.item, standing))
        conflict = "another event is stored under its id, and the table is append-only"
        return "" if one == other else conflict

    def is_settled(self, message: Message, stored: Mapping[str, Any]) -> bool:
        """Tell whether what a read found stored proves that no write is needed."""
        kept = stored.get(self.attribute, {})
        try:
            version = _parse(Number(kept["N"]) if "N" in kept else kept["S"])
        except (KeyError, RejectedError):  # nothing, or what an event would not bring
            return False
        return bool(version.rank >= message.version.rank)  # equal ones are taken for one state

    def condition(self, message: Message) -> dict[str, Any]:
        """Return the parameters of PutItem under which an event is stored."""
        if self._is_first:
            return {
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": {"#key": self._key},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        if not self.attribute:
            return {}
        (kind, instant), text = message.version
        expression, values = "attribute_not_exists(#version)", {}
        # Comparing values of two types is never true in DynamoDB: no comparison checks the type.
        if kind == 1:
            foreign = "NOT (attribute_type(#version, :number) OR attribute_type(#version, :string))"
            expression += f" OR #version <= :version OR {foreign}"
            values = {":version": {"N": text}, ":number": {"S": "N"}, ":string": {"S": "S"}}
        elif kind == 2:
            # Text order is time order but for one case: a stored fraction that is a proper prefix
            # of the new one is earlier, and yet "Z" sorts after every digit. So these are listed:
            #
            #   new 00.519Z    stored  00Z  00.5Z  00.51Z | 00.518Z  00.5+00:00 | 00.519Z | 00.52Z
            #                          `--- prefix -----'   `- earlier text --'   `-same-'  (newer)
            starts = (instant[:end] for end in range(_SECOND, len(instant)) if end != _SECOND + 1)
            spellings = [text, *(f"{start}Z" for start in starts)]
            listed = {f":v{place}": {"S": each} for place, each in enumerate(spellings)}
            expression += (
                " OR NOT attribute_type(#version, :string) OR #version < :bound"
                f" OR #version IN ({', '.join(listed)})"
            )
            values = {":string": {"S": "S"}, ":bound": {"S": instant}, **listed}
        condition = {
            "ConditionExpression": expression,
            "ExpressionAttributeNames": {"#version": self.attribute},
        }
        return condition | ({"ExpressionAttributeValues": values} if values else {})


def _parse(value: object) -> Version:
    """Return the version that a member stands for; RejectedError tells its form, never itself."""
    if isinstance(value, Number):
        return Version((1, Decimal(value)), value)
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
    return Version((2, second + fraction.rstrip("0.")), value)


def _in_value(attribute: dict[str, Any]) -> dict[str, Any]:
    """Return what is equal for equal numbers: to DynamoDB, 1.0 is 1."""
    number = attribute.get("N")  # a member of that name holds no text
    return {"N": Decimal(number)} if isinstance(number, str) else attribute
