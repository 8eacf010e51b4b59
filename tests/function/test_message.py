"""A message becomes an event with exactly its state, or a rejection that says why; none is lost."""

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import example, given
from hypothesis import strategies as st

from function.request import Answer, Request
from tests.function.batches import EXAMPLE, NEWEST, Context, deliver, failed, record
from tests.function.memory import SUPERSEDED, TOO_LARGE, Memory, error, ok, upsert
from tools.event import decode, is_same

MIB = 1_048_576
OK = ok({})


def stored(body: object) -> dict[str, Any]:
    """Return what a body is in the table; boto3 refuses what DynamoDB does not hold."""
    memory = Memory()
    assert deliver(upsert(memory, **NEWEST), record(body)).failed == set()
    (item,) = memory.items.values()
    event: dict[str, Any] = TypeDeserializer().deserialize({"M": item})
    return event


def rejected(body: object) -> tuple[str | None, str]:
    """Return the id that is logged of a body that is rejected, and the reason."""
    told = deliver(upsert(Memory(), **NEWEST), record(body))
    assert told.counts == {"Rejected": 1}
    (line,) = told.lines
    return line["event_id"], line["reason"]


def event(value: str, name: str = "x") -> str:
    return f'{{"event_id": "a", "{name}": {value}}}'


def test_every_json_type_has_its_attribute_type() -> None:
    body = (
        '{"event_id": "a", "": "", "s": "ä🎉", "n": -1.50, "e": 1E3, "z": 0e9999999999999,'
        ' "t": true, "f": false, "null": null, "l": [1, [], "x"], "m": {"": {"k": [null]}}}'
    )
    memory = Memory()
    assert deliver(upsert(memory), record(body)).failed == set()
    assert memory.items["a"] == {
        "event_id": {"S": "a"},
        "": {"S": ""},
        "s": {"S": "ä🎉"},
        "n": {"N": "-1.50"},
        "e": {"N": "1E+3"},
        "z": {"N": "0"},
        "t": {"BOOL": True},
        "f": {"BOOL": False},
        "null": {"NULL": True},
        "l": {"L": [{"N": "1"}, {"L": []}, {"S": "x"}]},
        "m": {"M": {"": {"M": {"k": {"L": [{"NULL": True}]}}}}},
    }


@pytest.mark.parametrize(
    "value",
    [
        *("0", "-0", "42", "-17", "52.5200066", "9007199254740993", "0.1", "1.50", "1" * 38),
        *("-" + "1" * 38, "1." + "2" * 37, "0.00" + "3" * 38, "1" + "0" * 38, "-1.5" + "0" * 40),
        *("1e5", "1E+5", "1.5e-3", "-2.50E007", "1e0", "0e0", "-0.0e-5", "0." + "0" * 50),
        *("9" * 38 + "e88", "9.9e125", "0.1e126", "1e-130", "-1e-130", "10e-131"),
        *("1e" + "0" * 5000 + "7", "1e-" + "0" * 5000 + "7", "0." + "0" * 9999 + "1e10000"),
        *("1" + "0" * 10000 + "e-10000", '[{"y":' * 16 + "1" + "}]" * 16),
        *('"' + "x" * MIB + '"', '"' + "\\u0000" * (MIB // 6) + '"'),
        "[" + ",".join(["[]"] * (MIB // 3)) + "]",
        "{" + ",".join(f'"{n}":{n}' for n in range(60_000)) + "}",
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_dynamodb_just_holds_is_stored_as_it_is(value: str) -> None:
    assert is_same(stored(event(value)), decode(event(value)))


NO_JSON = "body is not JSON: Expecting value: line 1 column 1 (char 0)"
NO_OBJECT = "body is not a JSON object"
DEEP = "body nests deeper than the 32 levels that DynamoDB holds"
HALF = "a string holds half of a surrogate pair"
# What is rejected before its id is read.
UNREAD: dict[str, list[str]] = {
    NO_JSON: ["", "eyes"],
    "body is not JSON: Extra data: line 1 column 19 (char 18)": ['{"event_id": "a"} x'],
    "body is not JSON: Expecting ',' delimiter: line 1 column 15 (char 14)": ['{"event_id": 01}'],
    "body is not JSON: Unterminated string starting at: line 1 column 1 (char 0)": [
        '"' + "\\" * MIB
    ],
    f"{NO_JSON}; it begins with a byte order mark; send it as UTF-8 without one": ["\ufeff{}"],
    f"{NO_JSON}; it looks like base64; send the JSON itself": ["eyJhIjogMX0=", "ewogImEiOiAxfQ=="],
    NO_OBJECT: ["null", "[]", "[1]", '"event_id"', "7"],
    f"{NO_OBJECT}; it is JSON in a JSON string; serialise the event once": ['"{}"'],
    f"{NO_OBJECT}; it is the extended client library's pointer to S3; send the event itself, for"
    " DynamoDB stores no more than SQS carries": [
        '["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b"}]'
    ],
    "event_id is missing": ["{}"],
    "event_id is not a string": [f'{{"event_id": {each}}}' for each in ("null", "7", '["a"]')],
    "event_id is empty": ['{"event_id": ""}'],
    "event_id has 2049 bytes, DynamoDB holds 2048": ['{"event_id": "%s"}' % ("a" * 2049)],
    "event_id has 2050 bytes, DynamoDB holds 2048": ['{"event_id": "%s"}' % ("ä" * 1025)],
    HALF: ['{"event_id": "\\ud800"}'],
    DEEP: [event("[" * (MIB // 2) + "]" * (MIB // 2)), event('{"a":' * (MIB // 6))],
    "an object has two members of one name": [
        *(event('"a"', "event_id"), event('[{"y": 1, "y": 2}]')),
        event("{" + '"a":1,' * (MIB // 6) + '"a":1}'),
    ],
    "number has more than the 38 significant digits that DynamoDB holds": [
        *map(event, ("1" * 39, "0." + "1" * 39, "1" * 40 + "e-3", "1." + "0" * 39 + "1"))
    ],
    "number is too large, DynamoDB holds less than 1E+126": [
        *map(event, ("1e126", "-10e125", "1" + "0" * 126, "1" * MIB, "1e" + "9" * 19)),
        event("1E" + "9" * MIB),
    ],
    "number is too close to 0, DynamoDB holds 0 and from 1E-130": [
        *map(event, ("1e-131", "0.1e-130", "1.5e-131", "1e-" + "9" * 5000)),
        event("0." + "0" * MIB + "1"),
    ],
    **{f"{each} is not a JSON number": [event(each)] for each in ("NaN", "Infinity", "-Infinity")},
}
HALVES = ['"\\udfff"', '"\ud800"', '[{"\\ud800": 1}]', '"' + "\\ud800" * (MIB // 6) + '"']
NO_DAYS = ["2025-02-29", "2025-04-31", "2025-13-01", "2025-00-10", "2025-01-00", "0000-01-01"]
# As a version, and what is said of it.
NO_VERSIONS: list[tuple[object, str]] = [
    *((None, "is null"), (True, "is a boolean"), ([], "is an array"), ({}, "is an object")),
    *((f"{day}T01:00:00Z", "is no day of the calendar") for day in NO_DAYS),
    ("_Jürgen 30 March", 'has the form "_aaaaaa 99 aaaaa"'),
    ("2025-03-30T01:00:00z\n", 'has the form "9999-99-99T99:99:99a\n"'),
    ("7" * 40, f'has the form "{"9" * 40}"'),
    ("7" * 41, f'has the form "{"9" * 40}"...'),
]
# They would be one but for a detail.
NEARLY = [
    *("", "2025-03-30", "2025-03-30T01:00:00", "2025-03-30T01:00:00z", "2025-03-30t01:00:00Z"),
    *("2025-03-30 01:00:00Z", "2025-03-30T01:00:00+02:00", "2025-03-30T01:00:00-00:00"),
    *("2025-03-30T01:00:00.Z", "2025-03-30T01:00:00.1234567890Z", "2025-03-30T24:00:00Z"),
    *("2025-03-30T01:60:00Z", "2025-03-30T01:00:61Z", "2025-03-30T01:00:00Z\n"),
    *("2016-12-31T22:59:60Z", "2016-12-31T23:58:60Z", "٢٠٢٥-03-30T01:00:00Z"),
]


@pytest.mark.parametrize(
    ("body", "event_id", "reason"),
    [
        *((body, None, reason) for reason, bodies in UNREAD.items() for body in bodies),
        *((body, "a", HALF) for body in [event("1", "\\ud800"), *map(event, HALVES)]),
        (event('[{"y":' * 17 + "1" + "}]" * 17), "a", DEEP),
        (event("[" * 33 + "]" * 33), "a", DEEP),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_cannot_be_stored_is_rejected(body: str, event_id: str | None, reason: str) -> None:
    assert rejected(body) == (event_id, reason)


def test_what_is_no_version_is_rejected_by_its_form_and_says_what_to_send() -> None:
    fix = "; send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"
    for version, said in NO_VERSIONS:
        key = ", 9 for a digit, a for a letter" if "form" in said else ""
        reason = f"version {said}{key}{fix}"
        assert rejected({"event_id": "a", "version": version}) == ("a", reason)
    for version in NEARLY:
        assert rejected({"event_id": "a", "version": version})[1].startswith("version has the form")


# By the members that each always holds.
WRAPPERS = {
    "Type MessageId TopicArn Message Timestamp": "it is wrapped in an SNS notification;"
    " turn on raw message delivery for the subscription",
    "id detail-type source account time region detail": "it is wrapped in an EventBridge event;"
    ' give the rule\'s target the input path "$.detail"',
    "specversion id source type": "it is wrapped in a CloudEvent;"
    " send its data, or put the key beside it",
}


def test_a_wrapped_event_is_rejected_with_the_fix() -> None:
    for names, fix in WRAPPERS.items():
        body: dict[str, Any] = dict.fromkeys(names.split(), EXAMPLE)
        assert rejected(body | {"more": 1}) == (None, f"event_id is missing: {fix}")
        for name in body:
            less = {each: value for each, value in body.items() if each != name}
            assert rejected(less) == (None, "event_id is missing")
        assert stored(body | {"event_id": "a"}).keys() == {*body, "event_id"}


CORNERS = '\x00\x1f\x7f\x85\u2028\ufeff\ufffe\uffff\ud800\udfff\U0010ffff\\"{}[]:,é東\u0301'
texts = st.text(st.sampled_from(CORNERS) | st.characters(exclude_categories=[]), max_size=8)
numbers = st.from_regex(
    r"-?(0|[1-9]([0-9]{0,4}|[0-9]{35,42}))(\.([0-9]{1,4}|[0-9]{35,42}))?([eE][+-]?[0-9]{1,3})?",
    fullmatch=True,
)
strings = st.builds(json.dumps, texts, ensure_ascii=st.booleans())


def object_of(members: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}"


# As JSON.
values = st.recursive(
    st.sampled_from(["null", "true", "false"]) | strings | numbers,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda each: f"[{','.join(each)}]"),
        st.dictionaries(texts, inner, max_size=4).map(object_of),
    ),
    max_leaves=8,
)
ids = st.one_of(
    st.text(min_size=1, max_size=8).map(json.dumps),
    st.sampled_from(['""', f'"{"ä" * 1024}"', f'"{"ä" * 1025}"']),
    values,
)


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


@given(st.dictionaries(texts, values, max_size=4), ids)
def test_a_json_object_is_stored_exactly_or_rejected(members: dict[str, str], key: str) -> None:
    body = object_of(members | {"event_id": key})
    event = decode(body)
    event_id = event["event_id"]
    if isinstance(event_id, str) and storable(event) and 1 <= len(event_id.encode()) <= 2048:
        assert is_same(stored(body), event)
    else:
        assert rejected(body)


VERSIONS = ["1", "2.50", '"2025-03-30T01:00:00.5Z"', '"now"', "null", "[]"]
IDS = ['"a"', '"b"', '"é"', '""', "null", '"\\ud800"', "1"]
events = st.fixed_dictionaries(
    {"event_id": st.sampled_from(IDS)},
    optional={"version": st.sampled_from(VERSIONS), "x": values},
).map(object_of)


# From plain events of few ids, that meet in a batch, to byte soup.
bodies = st.one_of(
    events,
    st.builds(
        lambda body, start, length, put: body[:start] + put[:length] + body[start + length :],
        *(events, st.integers(0, 60), st.integers(0, 9), texts),
    ),
    values,
    st.sampled_from(["NaN", "01", "1.", "+1", "nul"]).map('{{"event_id":"a","x":{}}}'.format),
    st.binary(max_size=60).map(lambda soup: soup.decode("latin-1")),
    texts,
)
names = st.sampled_from(["messageId", "body", "attributes", "messageAttributes", "receiptHandle"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
# As AWS makes them, and with members missing or of another type.
records = bodies.map(record)
spoilt = anything | st.builds(
    lambda made, more, lost: {name: (made | more)[name] for name in made if name not in lost},
    *(records, st.dictionaries(names, anything, max_size=2), st.sets(names, max_size=2)),
)


@given(
    st.one_of(
        st.lists(records, max_size=10).map(lambda made: {"Records": made}),
        st.dictionaries(st.sampled_from(["Records", "x"]), st.lists(spoilt, max_size=5)),
        spoilt,
    ),
    st.lists(st.sampled_from([error("NotNow"), TOO_LARGE, OK, SUPERSEDED]), min_size=1, max_size=5),
)
@example({"Records": None}, [OK])
def test_any_event_is_answered_or_refused_and_nothing_unstored_is_deleted(
    event: Any, answers: list[Answer]
) -> None:
    confirmed, turns = set[str](), itertools.cycle(answers)

    def put(request: Request) -> Answer:
        answer = next(turns)
        if answer in (OK, SUPERSEDED):
            confirmed.add(json.loads(request.body)["Item"]["event_id"]["S"])
        return answer

    given = event.get("Records") if isinstance(event, dict) else None
    can_be_reported = isinstance(given, list) and all(
        isinstance(each, dict) and isinstance(each.get("messageId"), str) and each["messageId"]
        for each in given
    )
    try:
        answer = upsert(put, **NEWEST)(event, Context())
    except ValueError:
        assert (can_be_reported, confirmed) == (
            False,
            set(),
        )  # so the whole batch stays in the queue
        return
    assert can_be_reported
    stay = failed(answer, event)
    for each in event["Records"]:
        if each["messageId"] not in stay:
            assert json.loads(each["body"])["event_id"] in confirmed
