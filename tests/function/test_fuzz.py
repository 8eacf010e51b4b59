"""Whatever lies in the queue is stored exactly or rejected, and answered for; nothing is lost."""

import itertools
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from function.request import Answer, Request
from tests.function.batches import Context, batch, failed, parse, record, rejected
from tests.function.memory import SUPERSEDED, TOO_LARGE, Driver, error, ok, upsert
from tools.event import decode, from_item, is_same

CORNERS = '\x00\x1f\x7f\x85\u2028\ufeff\ufffe\uffff\ud800\udfff\U0010ffff\\"{}[]:,é東\u0301'
texts = st.text(st.sampled_from(CORNERS) | st.characters(exclude_categories=[]), max_size=8)
digits = st.text("0123456789", min_size=1, max_size=45)
exponents = st.integers(0, 180).map(str) | st.sampled_from(["007", "125", "126", "130"])
numbers = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.just("0") | digits.map("1{}".format) | st.sampled_from("123456789"),
    st.just("") | digits.map(".{}".format),
    st.just("")
    | st.builds("{}{}{}".format, *map(st.sampled_from, ("eE", ["", "+", "-"])), exponents),
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
        message = parse(body)
        assert message.event_id == event_id
        assert is_same(from_item(json.loads(message.item)), event)
    else:
        assert rejected(body)[1]


class Unreliable(Driver):
    """A table that fails by turns; it knows whose writes it confirmed."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = itertools.cycle(answers)
        self.stored: set[str] = set()
        super().__init__(self._put)

    def _put(self, request: Request) -> Answer:
        answer = next(self._answers)
        if answer in (OK, SUPERSEDED):
            self.stored.add(json.loads(request.body)["Item"]["event_id"]["S"])
        return answer

    def check(self, answer: Any, event: dict[str, Any]) -> None:
        """Check that a message left the queue only if an event of its id was stored."""
        stay = failed(answer, event)
        for each in event["Records"]:
            if each["messageId"] not in stay:
                assert json.loads(each["body"])["event_id"] in self.stored


OK = ok({})
TIMESTAMP = {"VERSION_ATTRIBUTE": "timestamp"}
events = st.builds(
    lambda event, more: object_of(more | event),
    st.fixed_dictionaries(
        {"event_id": st.sampled_from(['"a"', '"b"', '"é"', '""', "null", '"\\ud800"', "1"])},
        optional={
            "timestamp": st.sampled_from(
                ["1", "2.50", '"2025-03-30T01:00:00.5Z"', '"now"', "null", "[]"]
            )
        },
    ),
    st.dictionaries(texts, values, max_size=1),
)


def damaged(body: str, start: int, length: int, put: str) -> str:
    return body[:start] + put[:length] + body[start + length :]


# From plain events of few ids, that meet in a batch, to byte soup.
bodies = st.one_of(
    events,
    events,
    st.builds(damaged, events, st.integers(0, 60), st.integers(0, 9), texts),
    values,
    st.sampled_from(["NaN", "01", "1.", "+1", "nul"]).map('{{"event_id":"a","x":{}}}'.format),
    st.binary(max_size=60).map(lambda soup: soup.decode("latin-1")),
    texts,
)


@given(
    st.lists(bodies, max_size=10),
    st.lists(st.sampled_from([error("NotNow"), TOO_LARGE, OK, SUPERSEDED]), min_size=1, max_size=5),
)
def test_any_batch_is_answered_and_nothing_unstored_is_deleted(
    texts: list[str], answers: list[Answer]
) -> None:
    table = Unreliable(*answers)
    event = batch(*map(record, texts))
    table.check(upsert(table, **TIMESTAMP)(event, Context()), event)


NAMES = ["messageId", "body", "attributes", "messageAttributes", "receiptHandle", "eventSource"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def spoilt(body: str, lost: Iterable[str], changed: dict[str, Any]) -> dict[str, Any]:
    made = record(body) | changed
    return {name: value for name, value in made.items() if name not in lost}


# As AWS makes them, and with members missing or of another type.
records = st.one_of(
    bodies.map(record),
    st.builds(
        spoilt,
        bodies,
        st.lists(st.sampled_from(NAMES), max_size=2),
        st.dictionaries(st.sampled_from(NAMES), anything, max_size=2),
    ),
    anything,
)


@given(st.dictionaries(st.sampled_from(["Records", "x"]), st.lists(records, max_size=5)) | records)
@example({"Records": None})
def test_any_event_is_answered_or_refused_before_anything_is_written(event: Any) -> None:
    table = Unreliable(OK)
    given = event.get("Records") if isinstance(event, dict) else None
    can_be_reported = isinstance(given, list) and all(
        isinstance(each, dict) and isinstance(each.get("messageId"), str) and each["messageId"]
        for each in given
    )
    try:
        answer = upsert(table, **TIMESTAMP)(event, Context())
    except ValueError:
        assert not can_be_reported
        assert table.stored == set()  # and so the whole batch stays in the queue
    else:
        assert can_be_reported
        table.check(answer, event)
