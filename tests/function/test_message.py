"""A message becomes an event with exactly its state, or a rejection that says why."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import DYNAMODB_CONTEXT

from function.message import Message, Outcome
from tests.function.batches import EXAMPLE, parse, policy, rejected


def shortened(value: object) -> str:
    return str(value)[:40]


def event(x: str) -> str:
    return f'{{"event_id": "a", "x": {x}}}'


def test_every_json_type_has_its_attribute_type() -> None:
    body = (
        '{"event_id": "a", "": "", "s": "ä🎉", "n": -1.50, "e": 1E3, "t": true, "f": false,'
        ' "null": null, "l": [1, [], "x"], "m": {"": {"k": [null]}}}'
    )
    assert json.loads(parse(body).item) == {
        "event_id": {"S": "a"},
        "": {"S": ""},
        "s": {"S": "ä🎉"},
        "n": {"N": "-1.50"},
        "e": {"N": "1E+3"},
        "t": {"BOOL": True},
        "f": {"BOOL": False},
        "null": {"NULL": True},
        "l": {"L": [{"N": "1"}, {"L": []}, {"S": "x"}]},
        "m": {"M": {"": {"M": {"k": {"L": [{"NULL": True}]}}}}},
    }


MIB = 1_048_576


@pytest.mark.parametrize(
    "body",
    [
        {"event_id": "a" * 2048},
        {"event_id": "ä" * 1024},
        event('[{"y":' * 16 + "1" + "}]" * 16),
        event('"' + "x" * MIB + '"'),
        event('"' + "\\u0000" * (MIB // 6) + '"'),
        event("[" + ",".join(["[]"] * (MIB // 3)) + "]"),
        event("{" + ",".join(f'"{n}":{n}' for n in range(60_000)) + "}"),
    ],
    ids=shortened,
)
def test_what_dynamodb_just_holds_is_taken(body: object) -> None:
    assert parse(body).item


@pytest.mark.parametrize(
    "literal",
    [
        *("0", "-0", "42", "-17", "52.5200066", "9007199254740993", "0.1", "1.50", "1" * 38),
        *("-" + "1" * 38, "1." + "2" * 37, "0.00" + "3" * 38, "1" + "0" * 38, "-1.5" + "0" * 40),
        *("1e5", "1E+5", "1.5e-3", "-2.50E007", "1e0", "0e0", "-0.0e-5", "0." + "0" * 50),
        *("9" * 38 + "e88", "9.9e125", "0.1e126", "1e-130", "-1e-130", "10e-131"),
        *("1e" + "0" * 5000 + "7", "1e-" + "0" * 5000 + "7", "0." + "0" * 9999 + "1e10000"),
        "1" + "0" * 10000 + "e-10000",
    ],
    ids=shortened,
)
def test_a_number_keeps_its_value(literal: str) -> None:
    number = json.loads(parse(event(literal)).item)["x"]["N"]
    assert DYNAMODB_CONTEXT.create_decimal(number) == Decimal(literal)
    assert b'"x":{"N":"0"}' in parse(event("0e99999999999999999999")).item


NO_JSON = "body is not JSON: Expecting value: line 1 column 1 (char 0)"
NO_OBJECT = "body is not a JSON object"
NO_TEXT = "event_id is not a string"
DEEP = "body nests deeper than the 32 levels that DynamoDB holds"
HALF = "a string holds half of a surrogate pair"
TWICE = "an object has two members of one name"
DIGITS = "number has more than the 38 significant digits that DynamoDB holds"
LARGE = "number is too large, DynamoDB holds less than 1E+126"
SMALL = "number is too close to 0, DynamoDB holds 0 and from 1E-130"
# What a member may not hold; some of it is found before the id is read.
VALUES: list[tuple[str | None, str, list[str]]] = [
    ("a", HALF, ['"\\udfff"', '"\ud800"', '[{"\\ud800": 1}]', '"' + "\\ud800" * (MIB // 6) + '"']),
    ("a", DEEP, ['[{"y":' * 17 + "1" + "}]" * 17, "[" * 33 + "]" * 33]),
    (None, DEEP, ["[" * (MIB // 2) + "]" * (MIB // 2), '{"a":' * (MIB // 6)]),
    (None, TWICE, ['[{"y": 1, "y": 2}]', "{" + '"a":1,' * (MIB // 6) + '"a":1}']),
    *((None, f"{each} is not a JSON number", [each]) for each in ("NaN", "Infinity", "-Infinity")),
    (None, DIGITS, ["1" * 39, "0." + "1" * 39, "1" * 40 + "e-3", "1." + "0" * 39 + "1"]),
    (None, LARGE, ["1e126", "-10e125", "1" + "0" * 126, "1" * MIB, "1e" + "9" * 19]),
    (None, LARGE, ["1E" + "9" * MIB]),
    (None, SMALL, ["1e-131", "0.1e-130", "1.5e-131", "1e-" + "9" * 5000, "0." + "0" * MIB + "1"]),
]


@pytest.mark.parametrize(
    ("body", "event_id", "reason"),
    [
        ("", None, NO_JSON),
        ("eyes", None, NO_JSON),
        ('{"event_id": "a"} x', None, "body is not JSON: Extra data: line 1 column 19 (char 18)"),
        (
            '{"event_id": 01}',
            None,
            "body is not JSON: Expecting ',' delimiter: line 1 column 15 (char 14)",
        ),
        *((body, None, NO_OBJECT) for body in ("null", "[]", "[1]", '"event_id"', "7")),
        ("{}", None, "event_id is missing"),
        *((f'{{"event_id": {key}}}', None, NO_TEXT) for key in ("null", "7", '["a"]')),
        ('{"event_id": ""}', None, "event_id is empty"),
        ('{"event_id": "%s"}' % ("a" * 2049), None, "event_id has 2049 bytes, DynamoDB holds 2048"),
        ('{"event_id": "%s"}' % ("ä" * 1025), None, "event_id has 2050 bytes, DynamoDB holds 2048"),
        ('{"event_id": "\\ud800"}', None, HALF),
        ('{"event_id": "a", "\\ud800": 1}', "a", HALF),
        ('{"event_id": "a", "event_id": "a"}', None, TWICE),
        *((event(each), key, reason) for key, reason, values in VALUES for each in values),
    ],
    ids=shortened,
)
def test_what_cannot_be_stored_is_rejected(body: str, event_id: str | None, reason: str) -> None:
    assert rejected(body) == (event_id, reason)


def test_a_string_that_never_ends_is_no_json() -> None:
    assert rejected('"' + "\\" * MIB)[1].startswith("body is not JSON: Unterminated string")


SECOND = "2025-03-30T01:00:00"
FIX = "; send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"


@pytest.mark.parametrize(
    "version",
    [
        *(-7, f"{SECOND}Z", f"{SECOND}+00:00", f"{SECOND}.5Z", f"{SECOND}.123456789+00:00"),
        *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-02-29T12:30:59Z"),
        *("2016-12-31T23:59:60Z", "2015-06-30T23:59:60.5Z"),
    ],
)
def test_a_number_or_a_timestamp_in_utc_is_a_version(version: object) -> None:
    message = parse({"event_id": "a", "version": version}, "version")
    assert message.version is not None
    assert json.loads(message.item)["version"] in ({"S": version}, {"N": "-7"})


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        *((f"2025-{day}T01:00:00Z", None) for day in ("02-29", "04-31", "13-01", "00-10", "01-00")),
        ("0000-01-01T00:00:00Z", None),
        (None, "is null"),
        (True, "is a boolean"),
        ([], "is an array"),
        ({}, "is an object"),
        ("", 'has the form ""'),
        ("30 March 2025", 'has the form "99 aaaaa 9999"'),
        ("2025-03-30", 'has the form "9999-99-99"'),
        (f"{SECOND}", 'has the form "9999-99-99T99:99:99"'),
        (f"{SECOND}z", 'has the form "9999-99-99T99:99:99a"'),
        ("2025-03-30t01:00:00Z", 'has the form "9999-99-99a99:99:99Z"'),
        ("2025-03-30 01:00:00Z", 'has the form "9999-99-99 99:99:99Z"'),
        (f"{SECOND}+02:00", 'has the form "9999-99-99T99:99:99+99:99"'),
        (f"{SECOND}-00:00", 'has the form "9999-99-99T99:99:99-99:99"'),
        (f"{SECOND}.Z", 'has the form "9999-99-99T99:99:99.Z"'),
        (f"{SECOND}.1234567890Z", 'has the form "9999-99-99T99:99:99.9999999999Z"'),
        ("2025-03-30T24:00:00Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2025-03-30T01:60:00Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2025-03-30T01:00:61Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2016-12-31T22:59:60Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2016-12-31T23:58:60Z", 'has the form "9999-99-99T99:99:99Z"'),
        (f"{SECOND}Z\n", 'has the form "9999-99-99T99:99:99Z\n"'),
        ("٢٠٢٥-03-30T01:00:00Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("_Jürgen", 'has the form "_aaaaaa"'),
        ("7" * 40, f'has the form "{"9" * 40}"'),
        ("7" * 41, f'has the form "{"9" * 40}"...'),
    ],
)
def test_what_is_no_version_is_rejected_by_its_form(version: object, problem: str | None) -> None:
    said = problem or "is no day of the calendar"
    key = ", 9 for a digit, a for a letter" if "form" in said else ""
    body = {"event_id": "a", "version": version}
    assert rejected(body, "version") == ("a", f"version {said}{key}{FIX}")


# By the members that each always holds.
WRAPPERS = {
    "Type MessageId TopicArn Message Timestamp": "it is wrapped in an SNS notification;"
    " turn on raw message delivery for the subscription",
    "id detail-type source account time region detail": "it is wrapped in an EventBridge event;"
    ' give the rule\'s target the input path "$.detail"',
    "specversion id source type": "it is wrapped in a CloudEvent;"
    " send its data, or put the key beside it",
}


@pytest.mark.parametrize(("names", "fix"), WRAPPERS.items())
def test_a_wrapped_event_is_rejected_with_the_fix(names: str, fix: str) -> None:
    body: dict[str, Any] = dict.fromkeys(names.split(), EXAMPLE)
    assert rejected(body | {"more": 1}) == (None, f"event_id is missing: {fix}")
    for name in body:
        less = {each: value for each, value in body.items() if each != name}
        assert rejected(less) == (None, "event_id is missing")
    item = json.loads(parse(body | {"event_id": "a"}).item)
    assert item.keys() == {*body, "event_id"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "\ufeff" + json.dumps(EXAMPLE),
            f"{NO_JSON}; it begins with a byte order mark; send it as UTF-8 without one",
        ),
        (
            json.dumps(json.dumps(EXAMPLE)),
            f"{NO_OBJECT}; it is JSON in a JSON string; serialise the event once",
        ),
        *(
            (encoded(text), f"{NO_JSON}; it looks like base64; send the JSON itself")
            for text in (json.dumps(EXAMPLE), json.dumps(EXAMPLE, indent=1))
        ),
        (
            '["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b"}]',
            f"{NO_OBJECT}; it is the extended client library's pointer to S3; send the event"
            " itself, for DynamoDB stores no more than SQS carries",
        ),
    ],
)
def test_what_is_no_event_by_its_form_says_what_it_is(body: str, reason: str) -> None:
    assert rejected(body) == (None, reason)


@pytest.mark.parametrize("body", [{}, {"body": None}, {"body": {"event_id": "a"}}, {"body": b"{}"}])
def test_a_message_without_a_text_for_a_body_is_rejected(body: dict[str, Any]) -> None:
    message = Message({"messageId": "m", **body}, "event_id", policy().version)
    assert (message.outcome, message.reason) == (Outcome.REJECTED, "message has no body")
