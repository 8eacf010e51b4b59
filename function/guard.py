"""The version guard: no event overwrites a newer one of its id.

`rank` orders the events of one batch, `condition` lets DynamoDB compare a new event with
the stored one; both draw the same line:

    stored:   none      number < n   number = n   number > n   timestamp
    absent    superseded ----------------------------------------------->   (nothing stored: write)
    number n  write     write        write        superseded   superseded

    stored:   none, number   earlier    same text   same instant, other text   later
    timestamp     write      write      write       superseded                 superseded
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from function.number import Number
from function.outcome import RejectedError
from function.version import Version, parse_version


class Guard:
    """Compares events by the version that one of their members holds, or not at all."""

    def __init__(self, attribute: str = "") -> None:
        """attribute: the member's name; empty turns the guard off: the last arrival wins."""
        self._attribute = attribute

    def version(self, members: Mapping[str, Any]) -> Version:
        """Return the version of the event with these members.

        Raises RejectedError if the member holds none.
        """
        if not self._attribute or self._attribute not in members:
            return None
        try:
            return parse_version(members[self._attribute])
        except RejectedError as error:
            raise RejectedError(f"{self._attribute} {error}") from None

    @staticmethod
    def rank(version: Version) -> tuple[int, *tuple[Any, ...]]:
        """Return a key that sorts versions from oldest to newest; equal keys: the same moment."""
        if version is None:
            return (0,)
        if isinstance(version, Number):
            return (1, Decimal(version))
        # Fixed width to the second, then digits after a point: for both, text order is time order.
        return (2, version.second, version.fraction)

    def condition(self, version: Version) -> dict[str, Any]:
        """Return the parameters of PutItem that let no event overwrite a newer one of its id.

        Comparing values of two types is never true in DynamoDB: no comparison checks the type.
        """
        if not self._attribute:
            return {}
        names = {"#version": self._attribute}
        absent = "attribute_not_exists(#version)"
        if version is None:
            return {"ConditionExpression": absent, "ExpressionAttributeNames": names}
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
            same_or_prefix = (
                f"#version IN ({', '.join(f':v{i}' for i in range(len(prefixes) + 1))})"
            )
            expression = f"{absent} OR {other_type} OR {earlier_text} OR {same_or_prefix}"
            values = {":string": {"S": "S"}, ":bound": {"S": bound}}
            values |= {f":v{i}": {"S": spelling} for i, spelling in enumerate([text, *prefixes])}
        return {
            "ConditionExpression": expression,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
