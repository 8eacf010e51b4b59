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

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from function.event import Event, Item
from function.number import Number
from function.outcome import RejectedError
from function.version import Timestamp, Version, parse_version


class Last:
    """The last arrival stays; also what the other two have in common."""

    attribute = ""
    """The member that holds the version, if one counts."""

    def version(self, members: Mapping[str, Any]) -> Version:
        """Return the version of the event with these members; RejectedError if it holds none."""
        del members
        return None

    def order(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return a batch's events of one id in the order in which they are tried."""
        return events[::-1]

    def condition(self, event: Event) -> dict[str, Any]:
        """Return the parameters of PutItem under which an event is stored."""
        del event
        return {}

    def conflict(self, event: Event, standing: Item) -> str:
        """Return why an event is rejected that meets another one of its id, or nothing.

        standing: the item that the table holds.
        """
        del event, standing
        return ""

    def is_settled(self, event: Event, stored: Item) -> bool:
        """Tell whether what a read found stored proves that no write of an event is needed."""
        del event, stored
        return False


class First(Last):
    """An item is written once and never changed."""

    def __init__(self, key: str) -> None:
        """key: the name of the table's key."""
        self._condition = {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": key},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def order(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events as they arrived."""
        return events

    def condition(self, event: Event) -> dict[str, Any]:
        """Return the condition that nothing is stored."""
        del event
        return self._condition

    def conflict(self, event: Event, standing: Item) -> str:
        """Return a reason unless the event is equal in value to what stands."""
        if is_equal({"M": event.item}, {"M": standing}):
            return ""
        return "another event is stored under its id, and the table is append-only"


class Newest(Last):
    """The event with the highest version stays."""

    def __init__(self, attribute: str, *, is_required: bool = False) -> None:
        """attribute: the version's member. is_required: whether one without it is rejected."""
        self.attribute = attribute
        self._is_required = is_required
        self._names = {"#version": attribute}

    def version(self, members: Mapping[str, Any]) -> Version:
        """Return the version; None if there is none and none is required."""
        if self.attribute not in members:
            if self._is_required:
                raise RejectedError(f"{self.attribute} is missing, and every event needs a version")
            return None
        try:
            return parse_version(members[self.attribute])
        except RejectedError as error:
            raise RejectedError(f"{self.attribute} {error}") from None

    def order(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the newest first; of equal ones the last to arrive."""
        return sorted(events, key=lambda event: (rank(event.version), event.arrival), reverse=True)

    def is_settled(self, event: Event, stored: Item) -> bool:
        """Tell whether an equal or newer version is stored; equal ones are taken for one state."""
        kept = stored.get(self.attribute, {})
        if event.version is None or not kept.keys() & {"N", "S"}:
            return False
        try:
            version = Number(kept["N"]) if "N" in kept else parse_version(kept["S"])
        except RejectedError:
            return False
        return rank(version) >= rank(event.version)

    def condition(self, event: Event) -> dict[str, Any]:
        """Return the condition that nothing newer is stored.

        Comparing values of two types is never true in DynamoDB: no comparison checks the type.
        """
        version, absent = event.version, "attribute_not_exists(#version)"
        if version is None:
            return {"ConditionExpression": absent, "ExpressionAttributeNames": self._names}
        if isinstance(version, Number):
            not_newer = "#version <= :version"
            foreign = "NOT (attribute_type(#version, :number) OR attribute_type(#version, :string))"
            expression = f"{absent} OR {not_newer} OR {foreign}"
            values = {":version": {"N": version}, ":number": {"S": "N"}, ":string": {"S": "S"}}
        else:
            # Text order is time order but for one case: a stored fraction that is a proper prefix
            # of the new one is earlier, and yet "Z" sorts after every digit. So these are listed:
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
            listed = ", ".join(f":v{i}" for i in range(len(prefixes) + 1))
            same_or_prefix = f"#version IN ({listed})"
            expression = f"{absent} OR {other_type} OR {earlier_text} OR {same_or_prefix}"
            values = {":string": {"S": "S"}, ":bound": {"S": bound}}
            values |= {f":v{i}": {"S": spelling} for i, spelling in enumerate([text, *prefixes])}
        return {
            "ConditionExpression": expression,
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": values,
        }


def rank(version: Version) -> tuple[int, *tuple[Any, ...]]:
    """Return a key that sorts versions from oldest to newest; equal keys: the same moment."""
    if version is None:
        return (0,)
    if isinstance(version, Timestamp):
        # Fixed width to the second, then digits after a point: text order is time order for both.
        return (2, version.second, version.fraction)
    return (1, Decimal(version))


def is_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether DynamoDB's attribute values are equal in value, as it compares: 1.0 is 1."""
    ((kind, left),), ((other_kind, right),) = one.items(), other.items()
    if kind != other_kind:
        return False
    if kind == "N":
        return Decimal(left) == Decimal(right)
    if kind == "L":
        return len(left) == len(right) and all(map(is_equal, left, right))
    if kind == "M":
        return left.keys() == right.keys() and all(
            is_equal(left[name], right[name]) for name in left
        )
    return bool(left == right)
