"""Events as their text and the table's items tell them, read apart from the handler."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)")


def decode(body: str) -> Any:
    """Return what a JSON text says, numbers as Decimal, as `Deployed.item` gives them.

    Raises ValueError if it is no JSON.
    """
    return json.loads(body, parse_int=Decimal, parse_float=Decimal)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in kind, too: to Python, True equals Decimal(1)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and bool(one == other)


def rank(event: Mapping[str, Any], attribute: str) -> tuple[int, Any, Decimal]:
    """Return a key that is larger the newer an event is: no version, numbers, instants.

    event: numbers as Decimal; attribute: the member that holds the version.

    Raises ValueError if the member holds no version.
    """
    if attribute not in event:
        return 0, 0, Decimal(0)
    version = event[attribute]
    if isinstance(version, Decimal):
        return 1, version, Decimal(0)
    if not isinstance(version, str) or not (match := _TIMESTAMP.fullmatch(version)):
        raise ValueError(f"{version!r} is no version")
    return 2, match[1], Decimal(f"0.{match[2] or 0}")
