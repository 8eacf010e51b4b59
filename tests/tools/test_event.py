"""What a text or an item becomes: a message body, exact, or a reason why not; and equality."""

import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.event import (
    MESSAGE_BYTES,
    UnsendableError,
    decode,
    event_body,
    from_item,
    is_same,
    message_body,
    to_json,
)

EXACT = '{"order_id": "a", "n": 1.10, "big": 123456789012345678901234567890e+5, "ü": "東京"}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"order_id":"a"}', "event_id is missing"),
        ('{"event_id":"a","n":NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "body nests deeper than the 32 levels that DynamoDB holds"),
        (
            '{"event_id":"a","s":"\ufffe"}',
            "the message has the character U+FFFE, which SQS refuses",
        ),
        (
            json.dumps({"event_id": "x", "s": "x" * MESSAGE_BYTES}),
            "the message has 1048602 bytes, SQS takes 1 to 1048576",
        ),
    ],
)
def test_a_text_that_makes_no_event_is_refused_with_the_functions_reason(
    text: str, reason: str
) -> None:
    with pytest.raises(UnsendableError) as refused:
        event_body(text, "event_id")
    assert str(refused.value).startswith(reason)
    assert event_body(EXACT, "order_id") == EXACT


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a"}, "set"),
        (Binary(b"a"), "Binary"),
        (float("nan"), "float"),
        (Decimal("Infinity"), "Decimal"),
        # As text, 1 would be a second member "1".
        ({"1": 1, 1: 2}, "dict"),
    ],
)
def test_what_json_has_no_form_for_is_refused_by_its_kind(value: object, kind: str) -> None:
    with pytest.raises(UnsendableError, match=f"holds a {kind} that JSON has no form for$"):
        to_json({"event_id": "a", "deep": [{"value": value}]})


_texts = st.text(st.characters(exclude_categories=["Cs"]))
_numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda n: len(n.as_tuple().digits) <= 38 and (not n or -100 < n.adjusted() < 100)
)
_values = st.recursive(
    st.none() | st.booleans() | _texts | _numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(_values)
def test_an_item_is_sent_as_the_value_that_it_is(value: Any) -> None:
    item = {"event_id": {"S": "a"}, "value": TypeSerializer().serialize(value)}
    body = to_json(from_item(item))
    assert message_body(body) == body
    assert is_same(decode(body), {"event_id": "a", "value": value})


def test_a_number_beyond_38_digits_as_dynamodb_writes_it_stays_exact() -> None:
    item = {"n": {"N": "1" + "0" * 125}, "m": {"N": "1E-130"}, "ü": {"N": "1.10"}}
    assert to_json(from_item(item)) == f'{{"n":1{"0" * 125},"m":1E-130,"ü":1.10}}'


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("[1.50, 1E+2]", "[1.5, 100]", True),
        ('{"a": [1.0, {"b": 2}], "c": null}', '{"c": null, "a": [1, {"b": 2.00}]}', True),
        ("true", "1", False),
        ("0", "false", False),
        ('"1"', "1", False),
        ("[1,2]", "[2,1]", False),
        ('{"a": 1}', '{"a": 1, "b": null}', False),
    ],
)
def test_values_are_the_same_in_depth_and_kind_however_numbers_are_written(
    one: str, other: str, same: bool
) -> None:
    assert is_same(decode(f'[{{"v":{one}}}]'), decode(f'[{{"v":{other}}}]')) is same
    assert is_same(decode(one), decode(one))
