"""A message becomes an event with exactly its state, or a rejection that says why."""

import base64
import json
from typing import Any

import pytest

from function.message import Message, Outcome
from function.number import Number
from function.version import Timestamp
from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, parse, policy, rejected


def test_a_message_becomes_its_event_and_has_failed_until_more_is_known() -> None:
    message = parse(EXAMPLE, "timestamp")
    assert (message.event_id, json.loads(message.item)) == ("evt-1001", EXAMPLE_ITEM)
    assert message.version == Timestamp("2025-03-30T01:00:00", "2025-03-30T01:00:00Z")
    assert (message.outcome, message.is_acknowledged) == (Outcome.FAILED, False)


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


def test_a_version_is_taken_from_its_member_or_absent() -> None:
    assert parse('{"event_id": "a", "revision": 7}', "revision").version == Number("7")
    assert parse(EXAMPLE, "revision").version is None
    assert parse(EXAMPLE).version is None


def nested(levels: int) -> str:
    return '{"event_id": "a", "x": ' + '[{"y":' * (levels // 2) + "1" + "}]" * (levels // 2) + "}"


@pytest.mark.parametrize("body", [{"event_id": "a" * 2048}, {"event_id": "ä" * 1024}, nested(32)])
def test_what_dynamodb_just_holds_is_taken(body: object) -> None:
    assert parse(body).item


DEEP = "body nests deeper than the 32 levels that DynamoDB holds"
HALF = "a string holds half of a surrogate pair"
TWICE = "an object has two members of one name"
DIGITS = "number has more than the 38 significant digits that DynamoDB holds"


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
        ('{"event_id": "\\ud800"}', None, HALF),
        ('{"event_id": "a", "x": "\\udfff"}', "a", HALF),
        ('{"event_id": "a", "\\ud800": 1}', "a", HALF),
        (
            '{"event_id": "a", "x": [{"\\ud800": 1}]}',
            "a",
            HALF,
        ),
        ('{"event_id": "a", "x": "\ud800"}', "a", HALF),
        ('{"event_id": "a", "event_id": "a"}', None, TWICE),
        (
            '{"event_id": "a", "x": [{"y": 1, "y": 2}]}',
            None,
            TWICE,
        ),
        ('{"event_id": "a", "x": NaN}', None, "NaN is not a JSON number"),
        ('{"event_id": "a", "x": Infinity}', None, "Infinity is not a JSON number"),
        ('{"event_id": "a", "x": [-Infinity]}', None, "-Infinity is not a JSON number"),
        (
            '{"event_id": "a", "x": ' + "1" * 39 + "}",
            None,
            DIGITS,
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
    assert rejected(body, "version") == (event_id, reason)


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
WRAPPERS: list[tuple[dict[str, Any], list[str]]] = [
    (NOTIFICATION, ["Type", "MessageId", "TopicArn", "Message", "Timestamp"]),
    (ENVELOPE, ["id", "detail-type", "source", "account", "time", "region", "detail"]),
]
SNS = (
    "event_id is missing: it is wrapped in an SNS notification;"
    " turn on raw message delivery for the subscription"
)
EVENTBRIDGE = (
    "event_id is missing: it is wrapped in an EventBridge event;"
    ' give the rule\'s target the input path "$.detail"'
)


CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "A1",
    "source": "/shop",
    "type": "order",
    "data": EXAMPLE,
}
CLOUD = (
    "event_id is missing: it is wrapped in a CloudEvent; send its data, or put the key beside it"
)
NO_JSON = "body is not JSON: Expecting value: line 1 column 1 (char 0)"
NO_OBJECT = "body is not a JSON object"
POINTER = ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b"}]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (json.dumps(NOTIFICATION), SNS),
        (json.dumps(ENVELOPE), EVENTBRIDGE),
        (json.dumps(NOTIFICATION | ENVELOPE), SNS),
        (json.dumps(dict.fromkeys(WRAPPERS[0][1])), SNS),
        (
            "\ufeff" + json.dumps(EXAMPLE),
            f"{NO_JSON}; it begins with a byte order mark; send it as UTF-8 without one",
        ),
        (
            json.dumps(json.dumps(EXAMPLE)),
            f"{NO_OBJECT}; it is JSON in a JSON string; serialise the event once",
        ),
        *(
            (
                base64.b64encode(text.encode()).decode(),
                f"{NO_JSON}; it looks like base64; send the JSON itself",
            )
            for text in (json.dumps(EXAMPLE), json.dumps(EXAMPLE, indent=1))
        ),
        (
            json.dumps(POINTER),
            f"{NO_OBJECT}; it is the extended client library's pointer to S3; send the event"
            " itself, for DynamoDB stores no more than SQS carries",
        ),
        ("[1]", NO_OBJECT),
        ('"text"', NO_OBJECT),
        ("eyes", NO_JSON),
        (json.dumps(CLOUD_EVENT), CLOUD),
    ],
)
def test_what_is_no_event_by_its_form_says_what_it_is(body: str, reason: str) -> None:
    assert rejected(body) == (None, reason)


@pytest.mark.parametrize("wrapped", [NOTIFICATION, ENVELOPE, CLOUD_EVENT])
def test_an_event_with_the_members_of_a_wrapping_is_an_event(wrapped: dict[str, Any]) -> None:
    item = json.loads(parse(wrapped | {"event_id": "eyJhIjoxfQ=="}).item)
    assert item.keys() == {*wrapped, "event_id"}


@pytest.mark.parametrize(
    ("wrapped", "name"), [(wrapped, name) for wrapped, names in WRAPPERS for name in names]
)
def test_what_lacks_a_member_of_a_wrapping_is_none(wrapped: dict[str, Any], name: str) -> None:
    body = {key: value for key, value in wrapped.items() if key != name}
    assert rejected(body) == (None, "event_id is missing")


@pytest.mark.parametrize("body", [{}, {"body": None}, {"body": {"event_id": "a"}}, {"body": b"{}"}])
def test_a_message_without_a_text_for_a_body_is_rejected(body: dict[str, Any]) -> None:
    message = Message({"messageId": "m", **body}, "event_id", policy().version)
    assert (message.outcome, message.reason) == (Outcome.REJECTED, "message has no body")
