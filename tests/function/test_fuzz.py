"""Whatever lies in the queue: an answer that AWS understands, and no unstored message deleted."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from function.request import Answer, Request
from tests.function.batches import Context, batch, failed, record
from tests.function.memory import Driver, error, ok, upsert

MIB = 1_048_576
OK, SUPERSEDED = ok({}), error("ConditionalCheckFailedException")
FAILURES = [error("NotNow"), error("ValidationException", message="Item size has exceeded")]


class Unreliable(Driver):
    """A table that fails by turns; it knows whose writes it confirmed."""

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = itertools.cycle(answers)
        self.stored: set[str] = set()
        super().__init__(self._put)

    def _put(self, request: Request) -> Answer:
        answer = next(self._answers)
        if answer in (OK, SUPERSEDED):
            self.stored.add(json.loads(request.body)["Item"]["event_id"]["S"])
        return answer


def check(bodies: list[str], answers: list[Answer]) -> set[int]:
    """Hand bodies over as one batch; return the places of the messages that stay in the queue.

    A message may leave only if an event of the id that it tells was stored.
    """
    table = Unreliable(answers)
    event = batch(*(record(body, f"m{place}") for place, body in enumerate(bodies)))
    stay = failed(upsert(table, VERSION_ATTRIBUTE="timestamp")(event, Context()), event)
    for place, body in enumerate(bodies):
        if f"m{place}" not in stay:
            assert json.loads(body)["event_id"] in table.stored
    return {int(identifier[1:]) for identifier in stay}


def characters() -> st.SearchStrategy[str]:
    """Draw from all characters, halves of surrogate pairs and other corners more often."""
    corners = '\x00\x1f\x7f\x85\u2028\ufeff\ufffe\uffff\ud800\udfff\U0010ffff\\"{}[]:,é東\u0301'
    return st.text(st.sampled_from(corners) | st.characters(exclude_categories=[]), max_size=30)


def literals() -> st.SearchStrategy[str]:
    """Write numbers as producers could, most of them beyond what anything can hold."""
    digits = st.text("0123456789", min_size=1, max_size=60)
    return st.one_of(
        st.sampled_from(
            ["NaN", "Infinity", "-Infinity", "-0", "1E400", "-1e-400", "01", "1.", "+1"]
        ),
        st.builds(
            "{}{}.{}E{}{}".format,
            st.sampled_from(["", "-"]),
            digits,
            digits,
            st.sampled_from(["", "+", "-"]),
            digits,
        ),
        st.builds("{}{}".format, digits, digits),
    )


def values() -> st.SearchStrategy[str]:
    """Write JSON of any kind, members named twice, and some that are not quite JSON."""
    strings = characters().map(json.dumps) | characters().map(
        lambda text: json.dumps(text, ensure_ascii=False)
    )
    leaves = strings | literals() | st.sampled_from(["null", "true", "false", "", "nul", "'a'"])

    def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        members = st.builds("{}:{}".format, strings, inner)
        return st.one_of(
            st.lists(inner, max_size=4).map(lambda each: f"[{','.join(each)}]"),
            st.lists(members, max_size=4).map(lambda each: f"{{{','.join(each)}}}"),
        )

    return st.recursive(leaves, nested, max_leaves=12)


def bodies() -> st.SearchStrategy[str]:
    """Write bodies from plain events to byte soup, of few ids, so that they meet in a batch."""
    ids = st.sampled_from(['"a"', '"b"', '""', "1", "null", '"\\ud800"', '"é"'])
    versions = st.sampled_from(
        ["1", "2.50", '"2025-03-30T01:00:00Z"', '"2025-03-30T01:00:00.5Z"', '"now"', "null", "[]"]
    )
    return st.one_of(
        st.builds('{{"event_id":{}}}'.format, ids),
        st.builds('{{"event_id":{},"timestamp":{}}}'.format, ids, versions),
        st.builds(
            '{{"event_id":{},"timestamp":{},{}:{}}}'.format,
            ids,
            versions,
            characters().map(json.dumps),
            values(),
        ),
        st.builds(damaged, st.integers(0, 60), st.integers(0, 9), characters()),
        values(),
        st.binary(max_size=60).map(lambda soup: soup.decode("utf-8", "replace")),
        st.binary(max_size=60).map(lambda soup: soup.decode("latin-1")),
        characters(),
    )


def damaged(start: int, length: int, put: str) -> str:
    body = '{"event_id":"a","x":[1.5e3,"\\u00e9",{"y":null}],"timestamp":"2025-03-30T01:00:00Z"}'
    return body[:start] + put[:length] + body[start + length :]


@given(
    st.lists(bodies(), max_size=10),
    st.lists(st.sampled_from([*FAILURES, OK, SUPERSEDED]), min_size=1, max_size=5),
)
def test_any_batch_is_answered_and_nothing_unstored_is_deleted(
    texts: list[str], answers: list[Answer]
) -> None:
    check(texts, answers)


def records() -> st.SearchStrategy[Any]:
    """Make records as AWS does, and with members missing or of another type."""
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    )
    names = ["messageId", "body", "attributes", "messageAttributes", "receiptHandle", "eventSource"]

    def spoilt(body: str, lost: list[str], changed: dict[str, Any]) -> dict[str, Any]:
        made = {**record(body), **changed}
        return {name: value for name, value in made.items() if name not in lost}

    return st.one_of(
        st.builds(record, bodies()),
        st.builds(
            spoilt,
            bodies(),
            st.lists(st.sampled_from(names), max_size=2),
            st.dictionaries(st.sampled_from(names), anything, max_size=2),
        ),
        anything,
    )


@given(
    st.dictionaries(st.sampled_from(["Records", "x"]), st.lists(records(), max_size=5)) | records()
)
@example({})
@example({"Records": None})
@example({"Records": [{}]})
@example({"Records": [{"messageId": ""}]})
def test_any_event_is_answered_or_refused_before_anything_is_written(event: Any) -> None:
    store = Unreliable([OK])
    try:
        answer = upsert(store, VERSION_ATTRIBUTE="timestamp")(event, Context())
    except ValueError:
        assert store.stored == set()  # and so the whole batch stays in the queue
        given_ids = (
            [
                each.get("messageId") if isinstance(each, dict) else None
                for each in event.get("Records") or [None]
            ]
            if isinstance(event, dict) and isinstance(event.get("Records"), list)
            else [None]
        )
        assert not all(isinstance(each, str) and each for each in given_ids)
        return
    stay = failed(answer, event)
    for each in event["Records"]:
        if each["messageId"] not in stay:
            assert json.loads(each["body"])["event_id"] in store.stored


def _event(member: str) -> str:
    return f'{{"event_id":"a","member":{member}}}'


@pytest.mark.parametrize(
    "member",
    [
        pytest.param("[" * (MIB // 2) + "]" * (MIB // 2), id="lists in lists"),
        pytest.param("[" * MIB, id="lists that never end"),
        pytest.param('{"a":' * (MIB // 6) + "1" + "}" * (MIB // 6), id="maps in maps"),
        pytest.param("1" * MIB, id="a number of a million digits"),
        pytest.param("1E" + "9" * MIB, id="an exponent of a million digits"),
        pytest.param("0." + "0" * MIB + "1", id="a million zeros"),
        pytest.param('"' + "\\ud800" * (MIB // 6) + '"', id="halves of surrogate pairs"),
        pytest.param("{" + ",".join(['"a":1'] * (MIB // 6)) + "}", id="one member, many times"),
        pytest.param('"' + "\\" * MIB, id="a string that never ends"),
    ],
)
def test_a_body_of_a_mebibyte_that_no_table_holds_is_rejected(member: str) -> None:
    assert check([_event(member)], [OK]) == {0}


@pytest.mark.parametrize(
    "member",
    [
        pytest.param('"' + "x" * MIB + '"', id="a long string"),
        pytest.param('"' + "\\u0000" * (MIB // 6) + '"', id="escapes"),
        pytest.param("[" + ",".join(["[]"] * (MIB // 3)) + "]", id="a long list"),
        pytest.param("{" + ",".join(f'"{n}":{n}' for n in range(60_000)) + "}", id="many members"),
        pytest.param("1" + "0" * 38, id="a number that only looks too long"),
    ],
)
def test_a_body_of_a_mebibyte_that_is_an_event_goes_to_the_table(member: str) -> None:
    assert check([_event(member)], [OK]) == set()
