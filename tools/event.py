"""Events as text and as the table's items, read apart from the handler."""

import json
from decimal import Decimal
from typing import Any


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


def printable(text: str) -> str:
    r"""Write as `\n`, `\x9b` or `\u202e` what forges a line, acts on a terminal or turns text."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
