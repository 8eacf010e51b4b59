"""Whatever lies in the queue is stored exactly or rejected, and answered for; nothing is lost."""

import itertools
import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from function.request import Answer, Request
from tests.function.batches import NEWEST, Context, deliver, failed, record
from tests.function.memory import SUPERSEDED, TOO_LARGE, Memory, error, ok, upsert
from tools.event import decode, from_item, is_same

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
    body, memory = object_of(members | {"event_id": key}), Memory()
    event = decode(body)
    event_id = event["event_id"]
    told = deliver(upsert(memory), record(body))
    if isinstance(event_id, str) and storable(event) and 1 <= len(event_id.encode()) <= 2048:
        assert told.counts == {"Written": 1}
        assert is_same(from_item(memory.items[event_id]), event)
    else:
        assert (told.counts, memory.items) == ({"Rejected": 1}, {})


OK = ok({})
events = st.builds(
    lambda event, more: object_of(more | event),
    st.fixed_dictionaries(
        {"event_id": st.sampled_from(['"a"', '"b"', '"é"', '""', "null", '"\\ud800"', "1"])},
        optional={
            "version": st.sampled_from(
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
NAMES = ["messageId", "body", "attributes", "messageAttributes", "receiptHandle", "eventSource"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
# As AWS makes them, and with members missing or of another type.
records = bodies.map(record)
spoilt = st.one_of(
    records,
    st.builds(dict.__or__, records, st.dictionaries(st.sampled_from(NAMES), anything, max_size=2)),
    st.builds(
        lambda made, lost: {name: made[name] for name in made if name not in lost},
        records,
        st.sets(st.sampled_from(NAMES), max_size=2),
    ),
    anything,
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
    stored, turns = set[str](), itertools.cycle(answers)

    def put(request: Request) -> Answer:
        answer = next(turns)
        if answer in (OK, SUPERSEDED):
            stored.add(json.loads(request.body)["Item"]["event_id"]["S"])
        return answer

    given = event.get("Records") if isinstance(event, dict) else None
    can_be_reported = isinstance(given, list) and all(
        isinstance(each, dict) and isinstance(each.get("messageId"), str) and each["messageId"]
        for each in given
    )
    try:
        answer = upsert(put, **NEWEST)(event, Context())
    except ValueError:
        assert (can_be_reported, stored) == (False, set())  # so the whole batch stays in the queue
        return
    assert can_be_reported
    stay = failed(answer, event)
    for each in event["Records"]:
        if each["messageId"] not in stay:
            assert json.loads(each["body"])["event_id"] in stored
