"""Whatever a JSON object holds, it becomes exactly its state, or a rejection."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.function.batches import parse, rejected
from tools.event import from_item, is_same

any_text = st.text(max_size=8) | st.sampled_from(["\ud800", "half\udfff"])
digits = st.text("0123456789", min_size=1, max_size=45)
integers = st.one_of(
    st.just("0"), digits.map(lambda text: "1" + text), st.sampled_from("123456789")
)
fractions = st.one_of(st.just(""), digits.map(lambda text: "." + text))
exponents = st.one_of(
    st.just(""),
    st.builds(
        "{}{}{}".format,
        st.sampled_from("eE"),
        st.sampled_from(["", "+", "-"]),
        st.one_of(st.integers(0, 180).map(str), st.sampled_from(["007", "125", "126", "130"])),
    ),
)
literals = st.builds("{}{}{}{}".format, st.sampled_from(["", "-"]), integers, fractions, exponents)


class Literal(str):
    """A number as it is spelled in a body."""

    __slots__ = ()


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | any_text | literals.map(Literal),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)
ids: st.SearchStrategy[Any] = st.one_of(
    st.text(min_size=1, max_size=8), st.sampled_from(["", "ä" * 1024, "ä" * 1025]), values
)


def spelled(value: Any) -> str:
    """Return a value as JSON."""
    if isinstance(value, Literal):
        return value
    if isinstance(value, list):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{spelled(inner)}" for name, inner in value.items())
        return "{" + ",".join(members) + "}"
    return json.dumps(value)


def meant(value: Any) -> Any:
    """Return a value with its numbers as Decimal."""
    if isinstance(value, Literal):
        return Decimal(value)
    if isinstance(value, list):
        return list(map(meant, value))
    if isinstance(value, dict):
        return {name: meant(inner) for name, inner in value.items()}
    return value


def storable(value: Any) -> bool:
    """Tell whether DynamoDB holds a value."""
    match value:
        case Decimal():
            significant = "".join(map(str, value.as_tuple().digits)).strip("0")
            return not value or (len(significant) <= 38 and -130 <= value.adjusted() <= 125)
        case str():
            return not any(0xD800 <= ord(character) <= 0xDFFF for character in value)
        case list():
            return all(map(storable, value))
        case dict():
            return all(map(storable, [*value.keys(), *value.values()]))
    return True


def usable_id(value: Any) -> bool:
    return isinstance(value, str) and storable(value) and 1 <= len(value.encode()) <= 2048


@given(st.dictionaries(any_text, values, max_size=4), ids)
@example({"x": Literal("-0.0")}, "a")
@example({"x": Literal("9007199254740993")}, "a")
@example({"x": Literal("0.12345678901234567890")}, "a")
@example({"x": Literal("1e126")}, "a")
@example({"x": "\ud800"}, "a")
def test_a_json_object_is_stored_exactly_or_rejected(members: dict[str, Any], key: Any) -> None:
    body = members | {"event_id": key}
    meaning = meant(body)
    if usable_id(meaning["event_id"]) and storable(meaning):
        message = parse(spelled(body))
        assert message.event_id == key
        assert is_same(from_item(json.loads(message.item)), meaning)
    else:
        assert rejected(spelled(body))[1]
