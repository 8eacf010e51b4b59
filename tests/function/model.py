"""What newest means, told anew and simply: with real instants instead of text."""

import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any


def age(version: object) -> tuple[int, Fraction]:
    """Return a key that is larger the newer a version is: none < numbers < timestamps.

    version: as decoded from JSON with numbers as Decimal; None for absent.
    """
    if version is None:
        return (0, Fraction(0))
    if isinstance(version, Decimal):
        return (1, Fraction(version))
    assert isinstance(version, str)
    return (2, instant(version))


def instant(timestamp: str) -> Fraction:
    """Return the seconds since the first day of year 1, a leap second counting at its day's end.

    Days are taken as 86,401 seconds long, so that a leap second has a place of its own.
    """
    day, clock = timestamp.replace("+00:00", "Z").removesuffix("Z").split("T")
    hours, minutes, seconds = clock.split(":")
    in_day = 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    return 86_401 * datetime.date.fromisoformat(day).toordinal() + in_day


def stored(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an item of DynamoDB as the JSON value that it stands for, numbers as Decimal."""
    return {name: _value(attribute) for name, attribute in item.items()}


def _value(attribute: dict[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            assert type(value) is str
            return value
        case "N":
            assert isinstance(value, str)
            return Decimal(value)
        case "BOOL":
            assert isinstance(value, bool)
            return value
        case "NULL":
            assert value is True
            return None
        case "L":
            return [_value(element) for element in value]
        case "M":
            return stored(value)
    raise AssertionError(kind)


def identical(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same in type and value: True is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[k], other[k]) for k in one)
    return bool(one == other)
