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

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from function.message import Message
from function.values import Number, RejectedError, Timestamp, Version, parse_version

_SECOND = len("2025-03-30T01:00:00")
_CONFLICT = "another event is stored under its id, and the table is append-only"


class Policy:
    """The last arrival stays; also what the other two have in common."""

    attribute = ""
    """The member that holds the version, if one counts."""

    def version(self, members: Mapping[str, Any]) -> Version:
        """Return the version in an event's members; RejectedError if what is there is none."""
        return None

    def order(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return a batch's messages of one id in the order in which they are tried."""
        return sorted(messages, key=lambda each: rank(each.version))[::-1]  # of equals the last

    def condition(self, message: Message) -> dict[str, Any]:
        """Return the parameters of PutItem under which an event is stored."""
        return {}

    def conflict(self, message: Message, standing: bytes) -> str:
        """Return why an event is rejected beside the item that the table holds, or nothing."""
        return ""

    def is_settled(self, message: Message, stored: Mapping[str, Any]) -> bool:
        """Tell whether what a read found stored proves that no write is needed."""
        kept = stored.get(self.attribute, {})
        try:
            version = Number(kept["N"]) if "N" in kept else parse_version(kept["S"])
        except (KeyError, RejectedError):  # nothing, or what an event would not bring
            return False
        return rank(version) >= rank(message.version)  # equal ones are taken for one state


def choose_policy(environment: Mapping[str, str], key: str) -> Policy:
    """Return the policy of the function's environment. key: the name of the table's key."""
    if environment.get("APPEND_ONLY") == "true":
        return _First(key)
    attribute = environment.get("VERSION_ATTRIBUTE")
    is_required = environment.get("REQUIRE_VERSION") == "true"
    return _Newest(attribute, is_required=is_required) if attribute else Policy()


class _First(Policy):
    def __init__(self, key: str) -> None:
        self._condition = {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": key},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def order(self, messages: Sequence[Message]) -> Sequence[Message]:
        return messages

    def condition(self, message: Message) -> dict[str, Any]:
        return self._condition

    def conflict(self, message: Message, standing: bytes) -> str:
        if message.item == standing:  # as its own is, once it is written
            return ""
        one, other = (json.loads(each, object_hook=_in_value) for each in (message.item, standing))
        return "" if one == other else _CONFLICT


def _in_value(attribute: dict[str, Any]) -> dict[str, Any]:
    """Return what is equal for equal numbers: to DynamoDB, 1.0 is 1."""
    number = attribute.get("N")  # a member of that name holds no text
    return {"N": Decimal(number)} if isinstance(number, str) else attribute


class _Newest(Policy):
    def __init__(self, attribute: str, *, is_required: bool) -> None:
        self.attribute = attribute
        self._is_required = is_required

    def version(self, members: Mapping[str, Any]) -> Version:
        if self.attribute not in members:
            if self._is_required:
                raise RejectedError(f"{self.attribute} is missing, and every event needs a version")
            return None
        try:
            return parse_version(members[self.attribute])
        except RejectedError as error:
            raise RejectedError(f"{self.attribute} {error}") from None

    def condition(self, message: Message) -> dict[str, Any]:
        # Comparing values of two types is never true in DynamoDB: no comparison checks the type.
        version, expression = message.version, "attribute_not_exists(#version)"
        values = {}
        if isinstance(version, Number):
            foreign = "NOT (attribute_type(#version, :number) OR attribute_type(#version, :string))"
            expression += f" OR #version <= :version OR {foreign}"
            values = {":version": {"N": version}, ":number": {"S": "N"}, ":string": {"S": "S"}}
        elif version:
            # Text order is time order but for one case: a stored fraction that is a proper prefix
            # of the new one is earlier, and yet "Z" sorts after every digit. So these are listed:
            #
            #   new 00.519Z    stored  00Z  00.5Z  00.51Z | 00.518Z  00.5+00:00 | 00.519Z | 00.52Z
            #                          `--- prefix -----'   `- earlier text --'   `-same-'  (newer)
            instant, text = version
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


def rank(version: Version) -> tuple[Any, ...]:
    """Return a key that sorts versions from oldest to newest; equal keys: the same moment."""
    if isinstance(version, Timestamp):
        return (2, version.instant)
    return (0,) if version is None else (1, Decimal(version))
