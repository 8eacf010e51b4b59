"""A message becomes an event with exactly its state, or a rejection that says why."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tests.function.profiles  # noqa: F401 chooses hypothesis's profile
from function.event import Event, Rejection, parse
from function.guard import Guard
from function.number import Number
from function.version import Timestamp
from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, record
from tests.function.model import identical, stored

DEEP = "body nests deeper than the 32 levels that DynamoDB holds"


def test_the_example_becomes_an_event() -> None:
    assert parse(record(EXAMPLE), 3, Guard("timestamp")) == Event(
        arrival=3,
        event_id="evt-1001",
        version=Timestamp("2025-03-30T01:00:00", "", "2025-03-30T01:00:00Z"),
        item=EXAMPLE_ITEM,
    )


def test_every_json_type_has_its_attribute_type() -> None:
    body = (
        '{"event_id": "a", "": "", "s": "ä🎉", "n": -1.50, "e": 1E3, "t": true, "f": false,'
        ' "null": null, "l": [1, [], "x"], "m": {"": {"k": [null]}}}'
    )
    assert parse(record(body), 0, Guard()) == Event(
        arrival=0,
        event_id="a",
        version=None,
        item={
            "event_id": {"S": "a"},
            "": {"S": ""},
            "s": {"S": "ä🎉"},
            "n": {"N": "-1.50"},
            "e": {"N": "1E3"},
            "t": {"BOOL": True},
            "f": {"BOOL": False},
            "null": {"NULL": True},
            "l": {"L": [{"N": "1"}, {"L": []}, {"S": "x"}]},
            "m": {"M": {"": {"M": {"k": {"L": [{"NULL": True}]}}}}},
        },
    )


def test_a_number_version_is_taken_from_its_member() -> None:
    event = parse(record('{"event_id": "a", "revision": 7}'), 0, Guard("revision"))
    assert event == Event(0, "a", Number("7"), {"event_id": {"S": "a"}, "revision": {"N": "7"}})


@pytest.mark.parametrize("attribute", ["", "revision"])
def test_a_version_is_absent_without_guard_or_member(attribute: str) -> None:
    event = parse(record(EXAMPLE), 0, Guard(attribute))
    assert event == Event(0, "evt-1001", None, EXAMPLE_ITEM)


@pytest.mark.parametrize("length", [2048, 1024])
def test_the_longest_event_id_is_taken(length: int) -> None:
    event_id = ("a" if length == 2048 else "ä") * length
    assert parse(record({"event_id": event_id}), 0, Guard()) == Event(
        0, event_id, None, {"event_id": {"S": event_id}}
    )


def nested(levels: int) -> str:
    return '{"event_id": "a", "x": ' + '[{"y":' * (levels // 2) + "1" + "}]" * (levels // 2) + "}"


def test_as_many_levels_as_dynamodb_holds_are_taken() -> None:
    assert isinstance(parse(record(nested(32)), 0, Guard()), Event)


@pytest.mark.parametrize(
    ("body", "event_id", "reason"),
    [
        ("", None, "body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (
            "{",
            None,
            "body is not JSON: Expecting property name enclosed in double quotes:"
            " line 1 column 2 (char 1)",
        ),
        ('{"event_id": "a"} x', None, "body is not JSON: Extra data: line 1 column 19 (char 18)"),
        (
            '{"event_id": 01}',
            None,
            "body is not JSON: Expecting ',' delimiter: line 1 column 15 (char 14)",
        ),
        ("null", None, "body is not a JSON object"),
        ("[]", None, "body is not a JSON object"),
        ('"event_id"', None, "body is not a JSON object"),
        ("7", None, "body is not a JSON object"),
        ("{}", None, "event_id is missing"),
        ('{"event_id": null}', None, "event_id is not a string"),
        ('{"event_id": 7}', None, "event_id is not a string"),
        ('{"event_id": ["a"]}', None, "event_id is not a string"),
        ('{"event_id": ""}', None, "event_id is empty"),
        ('{"event_id": "%s"}' % ("a" * 2049), None, "event_id has 2049 bytes, DynamoDB holds 2048"),
        ('{"event_id": "%s"}' % ("ä" * 1025), None, "event_id has 2050 bytes, DynamoDB holds 2048"),
        ('{"event_id": "\\ud800"}', None, "a string holds half of a surrogate pair"),
        ('{"event_id": "a", "x": "\\udfff"}', "a", "a string holds half of a surrogate pair"),
        ('{"event_id": "a", "\\ud800": 1}', "a", "a string holds half of a surrogate pair"),
        (
            '{"event_id": "a", "x": [{"\\ud800": 1}]}',
            "a",
            "a string holds half of a surrogate pair",
        ),
        ('{"event_id": "a", "x": "\ud800"}', "a", "a string holds half of a surrogate pair"),
        ('{"event_id": "a", "event_id": "a"}', None, "an object has two members of one name"),
        (
            '{"event_id": "a", "x": [{"y": 1, "y": 2}]}',
            None,
            "an object has two members of one name",
        ),
        ('{"event_id": "a", "x": NaN}', None, "NaN is not a JSON number"),
        ('{"event_id": "a", "x": Infinity}', None, "Infinity is not a JSON number"),
        ('{"event_id": "a", "x": [-Infinity]}', None, "-Infinity is not a JSON number"),
        (
            '{"event_id": "a", "x": ' + "1" * 39 + "}",
            None,
            "number has 39 significant digits, DynamoDB holds 38",
        ),
        (
            '{"event_id": "a", "x": ' + "1" * 5000 + "}",
            None,
            "number has 5000 significant digits, DynamoDB holds 38",
        ),
        (
            '{"event_id": "a", "x": 1e999}',
            None,
            "number is too large, DynamoDB holds less than 1E+126",
        ),
        (
            '{"event_id": "a", "version": null}',
            "a",
            "version is null; send a JSON number or an"
            " RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z",
        ),
        (nested(34), "a", DEEP),
        ('{"event_id": "a", "x": ' + "[" * 33 + "]" * 33 + "}", "a", DEEP),
        ('{"event_id": "a", "x": ' + "[" * 200_000 + "]" * 200_000 + "}", None, DEEP),
        ('{"a":' * 200_000, None, DEEP),
    ],
)
def test_what_cannot_be_stored_is_rejected(body: str, event_id: str | None, reason: str) -> None:
    assert parse(record(body), 5, Guard("version")) == Rejection(5, event_id, reason)


NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
    "TopicArn": "arn:aws:sns:us-east-1:123456789012:events",
    "Message": json.dumps(EXAMPLE),
    "Timestamp": "2025-03-30T01:00:00.000Z",
    "SignatureVersion": "1",
    "Signature": "UhVCKiUMBgX4h4BZaaGJW4==",
    "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService.pem",
    "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
}
ENVELOPE = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "order updated",
    "source": "shop",
    "account": "123456789012",
    "time": "2025-03-30T01:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": EXAMPLE,
}
SNS = (
    "event_id is missing: it is wrapped in an SNS notification;"
    " turn on raw message delivery for the subscription"
)
EVENTBRIDGE = (
    "event_id is missing: it is wrapped in an EventBridge event;"
    ' give the rule\'s target the input path "$.detail"'
)


@pytest.mark.parametrize(("wrapped", "reason"), [(NOTIFICATION, SNS), (ENVELOPE, EVENTBRIDGE)])
def test_a_wrapped_event_is_rejected_by_its_wrapping(wrapped: dict[str, Any], reason: str) -> None:
    assert parse(record(wrapped), 0, Guard()) == Rejection(0, None, reason)
    assert parse(record(wrapped), 0, Guard("version")).reason == reason  # type: ignore[union-attr]


def test_the_members_that_a_wrapping_always_has_are_enough_and_one_wrapping_is_named() -> None:
    names = ("Type", "MessageId", "TopicArn", "Message", "Timestamp")
    assert parse(record(dict.fromkeys(names)), 0, Guard()) == Rejection(0, None, SNS)
    assert parse(record(NOTIFICATION | ENVELOPE), 0, Guard()) == Rejection(0, None, SNS)


@pytest.mark.parametrize("wrapped", [NOTIFICATION, ENVELOPE])
def test_an_event_with_the_members_of_a_wrapping_is_an_event(wrapped: dict[str, Any]) -> None:
    event = parse(record(wrapped | {"event_id": "a"}), 0, Guard())
    assert isinstance(event, Event)
    assert event.item.keys() == {*wrapped, "event_id"}


@pytest.mark.parametrize(
    ("wrapped", "name"),
    [
        *(
            (NOTIFICATION, each)
            for each in ("Type", "MessageId", "TopicArn", "Message", "Timestamp")
        ),
        *(
            (ENVELOPE, each)
            for each in ("id", "detail-type", "source", "account", "time", "region", "detail")
        ),
    ],
)
def test_what_lacks_a_member_of_a_wrapping_is_none(wrapped: dict[str, Any], name: str) -> None:
    body = {key: value for key, value in wrapped.items() if key != name}
    assert parse(record(body), 0, Guard()) == Rejection(0, None, "event_id is missing")


@pytest.mark.parametrize("body", [None, 7, {"event_id": "a"}, b'{"event_id": "a"}'])
def test_a_message_without_a_text_for_a_body_is_rejected(body: object) -> None:
    rejection = Rejection(0, None, "message has no body")
    assert parse({"messageId": "m", "body": body}, 0, Guard()) == rejection
    assert parse({"messageId": "m"}, 0, Guard()) == rejection


# --- Any JSON value: written here by hand, so that numbers appear in every spelling. ---

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
    event = parse(record(spelled(body)), 0, Guard())
    if usable_id(meaning["event_id"]) and storable(meaning):
        assert isinstance(event, Event)
        assert event.event_id == key
        assert identical(stored(event.item), meaning)
    else:
        assert isinstance(event, Rejection)
        assert event.reason


@given(st.binary() | st.text(st.characters(exclude_categories=())))
@example(b"\xff\xfe{}")
@example("\ufeff{}")
def test_noise_is_rejected_and_never_raises(noise: bytes | str) -> None:
    body = noise if isinstance(noise, str) else noise.decode("latin-1")
    rejection = parse(record(body), 0, Guard("timestamp"))
    assert isinstance(rejection, Rejection)
    assert rejection.reason


@given(st.dictionaries(any_text, values, max_size=3), st.data())
def test_a_damaged_body_never_raises(members: dict[str, Any], data: st.DataObject) -> None:
    body = spelled(members | {"event_id": "a", "timestamp": "2025-03-30T01:00:00Z"})
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    damage = data.draw(st.sampled_from(["", "NaN", "[", "{", '"', "\\", "e", "-", "\x00", "1e9"]))
    event = parse(record(body[:start] + damage + body[end:]), 0, Guard("timestamp"))
    assert isinstance(event, Event | Rejection)


@pytest.mark.parametrize(
    "body",
    [
        "[" * 2**20,
        '{"a":' * 2**18,
        '{"event_id": "a", "x": ' + "1" * 2**20 + "}",
        '{"event_id": "a", "x": [' + "1e1," * 2**18 + "1]}",
        '{"event_id": "a", "x": "' + "\\ud800" * 2**17 + '"}',
        '{"event_id": "' + "ä" * 2**20 + '"}',
        '{"event_id": "a", "timestamp": "' + "2" * 2**20 + '"}',
        "{" + ",".join(f'"{i}":{i}' for i in range(2**16)) + "}",
        "\n" * 2**20,
    ],
    ids=["[", "{", "number", "numbers", "surrogates", "event_id", "version", "members", "lines"],
)
def test_a_body_as_long_as_sqs_allows_takes_a_moment(body: str) -> None:
    started = time.process_time()
    parse(record(body), 0, Guard("timestamp"))
    assert time.process_time() - started < 5  # below 1 measured; quadratic work takes minutes
