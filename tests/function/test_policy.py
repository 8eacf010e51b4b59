"""Which event stays, on real evaluators of conditions, and the tests' own memory beside them."""

import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from function.loop import Loop
from function.message import Message, Outcome
from function.number import Number, RejectedError
from function.policy import Policy, comparable, rank
from function.service import Service
from function.table import Table
from function.version import Version, parse_version
from tests.function.batches import policy, record
from tests.function.memory import Driver, Memory
from tests.model import rank as rank_of
from tools.aws import client, emulator_session
from tools.deployed import wait_for
from tools.emulator import Emulator
from tools.event import decode, from_item, is_same

SECOND = "2025-03-30T01:00:00"
VERSIONS: list[dict[str, Any]] = [
    {},
    *({"N": text} for text in ("-1", "0", "-0", "1", "1E0")),
    *({"N": text} for text in ("9007199254740992", "9007199254740993")),
    *({"S": f"{SECOND}{rest}"} for rest in (
        "Z", "+00:00", ".0Z", ".000+00:00", ".5Z", ".50Z", ".5+00:00", ".05Z", ".51Z", ".509Z",
        ".519Z", ".519+00:00", ".499999999Z", ".500000001Z", ".519000001+00:00",
    )),
    *({"S": text} for text in (
        "2025-03-30T00:59:59.999999999Z", "2025-03-30T01:00:01Z", "2016-12-31T23:59:59.9Z",
        "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00Z",
    )),
]  # fmt: skip
FOREIGN: list[dict[str, Any]] = [
    {"NULL": True},
    {"BOOL": True},
    {"L": []},
    {"M": {"N": {"N": "9"}}},
    {"B": "MjAyNQ=="},
]
LAST, NEWEST, FIRST = policy(), policy("version"), policy(APPEND_ONLY="true")


def version(attribute: dict[str, Any]) -> Version:
    if not attribute:
        return None
    return Number(attribute["N"]) if "N" in attribute else parse_version(attribute["S"])


def item(key: str, attribute: dict[str, Any], state: str) -> dict[str, dict[str, Any]]:
    versioned = {"version": attribute} if attribute else {}
    return {"event_id": {"S": key}, "state": {"S": state}} | versioned


def message(key: str, attribute: dict[str, Any], state: str = "new") -> Message:
    """Return a message as if it had been parsed."""
    made = Message(record({"event_id": key}), "event_id", LAST.version)
    made.version = version(attribute)
    made.item = json.dumps(item(key, attribute, state)).encode()
    return made


def expected(before: dict[str, Any], after: dict[str, Any]) -> Outcome:
    """Return the outcome that is promised, by the model's instants."""
    if before in FOREIGN:
        return Outcome.WRITTEN if after else Outcome.SUPERSEDED
    old, new = (rank_of(from_item({"v": one}) if one else {}, "v") for one in (before, after))
    replaces = new > old or (new == old and ("S" not in after or after == before))
    return Outcome.WRITTEN if replaces else Outcome.SUPERSEDED


@dataclass
class Store:
    """A table to write to, and a way to see what it holds."""

    runner: Any
    fill: Callable[[Iterable[dict[str, Any]]], None]
    items: Callable[[], Mapping[str, Any]]
    """Returns what it holds, by id."""
    compares_types: bool = True
    tells_item: bool = True
    """Whether a failed condition brings back the item that made it fail."""

    def put(self, chosen: Policy, *messages: Message) -> list[Outcome]:
        """Write messages, each of an id of its own, many at once."""
        table, now = Table("events", "event_id", chosen), time.monotonic()
        self.runner.run([table.write([each]) for each in messages], now + 60, now + 62)
        return [each.outcome for each in messages]


def over_http(url: str) -> Loop:
    """Make the function's own loop, led to an endpoint."""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    environment = {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", **credentials}
    return Loop(Service("dynamodb", environment))


def of_client(dynamodb: Any, loop: Loop, **differences: bool) -> Store:
    dynamodb.create_table(
        TableName="events",
        KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName="events", WaiterConfig={"Delay": 1})

    def fill(items: Iterable[dict[str, Any]]) -> None:
        puts = [{"PutRequest": {"Item": _as_boto(each)}} for each in items]
        for first in range(0, len(puts), 25):  # the most that it takes
            dynamodb.batch_write_item(RequestItems={"events": puts[first : first + 25]})

    def read() -> Mapping[str, Any]:
        pages = dynamodb.get_paginator("scan").paginate(TableName="events")
        return {each["event_id"]["S"]: each for page in pages for each in page["Items"]}

    return Store(loop, fill, read, **differences)


def _as_boto(given: dict[str, Any]) -> dict[str, Any]:
    return {name: {"B": b"2025"} if "B" in value else value for name, value in given.items()}


# `make prove` installs it. https://github.com/architect/dynalite
DYNALITE = os.environ.get("DYNALITE")


@contextmanager
def dynalite(program: str) -> Iterator[str]:
    """Run dynalite; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [program, "--port", str(port), "--createTableMs", "0"], stdout=subprocess.DEVNULL
    ) as process:
        try:
            assert wait_for(lambda: is_listening(port), 30.0, every=0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(
    scope="module", params=["MiniStack", "moto", "memory", *(["dynalite"] if DYNALITE else [])]
)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Give each evaluator with an empty table `events`."""
    if request.param == "memory":
        memory = Memory()
        fill = lambda items: memory.items.update({each["event_id"]["S"]: each for each in items})  # noqa: E731
        yield Store(Driver(memory), fill, lambda: memory.items)
    elif request.param == "MiniStack":
        with Emulator() as aws:
            loop = over_http(aws.endpoint_url)
            yield of_client(aws.client("dynamodb"), loop)
    elif request.param == "dynalite":
        with dynalite(str(DYNALITE)) as url:
            made = client(emulator_session("us-east-1"), "dynamodb", url)
            yield of_client(made, over_http(url), tells_item=False)
    else:
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            url = f"http://{host}:{port}"
            made = client(emulator_session("us-east-1"), "dynamodb", url)
            # Its own fault: it answers 500 where two types are compared, DynamoDB false.
            yield of_client(made, over_http(url), compares_types=False)
        finally:
            server.stop()


def test_every_pair_of_versions_ends_as_promised(store: Store) -> None:
    pairs = [
        (old, new)
        for old, new in itertools.product(VERSIONS + FOREIGN, VERSIONS)
        if store.compares_types or not old or not new or old.keys() == new.keys()
    ]
    store.fill(item(str(i), old, "stored") for i, (old, _) in enumerate(pairs))
    outcomes = store.put(NEWEST, *(message(str(i), new) for i, (_, new) in enumerate(pairs)))
    items = store.items()
    promised = [(old, new, expected(old, new)) for old, new in pairs]
    assert [(*pair, outcomes[i]) for i, pair in enumerate(pairs)] == promised
    for i, (_, _, outcome) in enumerate(promised):
        is_new = items[str(i)]["state"]["S"] == "new"
        assert is_new == (outcome is Outcome.WRITTEN)


def test_the_last_arrival_is_always_written(store: Store) -> None:
    for number in ("2", "1"):
        assert store.put(LAST, message("last", {"N": number})) == [Outcome.WRITTEN]
        assert store.items()["last"] == item("last", {"N": number}, "new")


def parsed(body: str) -> Message:
    return Message(record(body), "event_id", LAST.version)


def test_the_first_arrival_stays_and_is_told_from_its_repeats(store: Store) -> None:
    body = '{"event_id": "first", "a": {"b": [%s, null, true, "x"]}}'
    one, same, other = (parsed(body % number) for number in ("1", "1.0", "1.1"))
    outcomes = [store.put(FIRST, each) for each in (one, same, other)]
    told = (
        [[Outcome.SUPERSEDED], [Outcome.REJECTED]] if store.tells_item else [[Outcome.FAILED]] * 2
    )
    assert outcomes == [[Outcome.WRITTEN], *told]
    assert store.items()["first"] == json.loads(one.item)


def test_an_item_comes_back_from_the_table_as_it_was_sent(store: Store) -> None:
    body = (
        '{"event_id": "exact", "big": 12345678901234567890123456789012345678, "tenth": 0.1,'
        ' "tiny": -1.5e-120, "zero": -0.0e99, "text": "ä🎉\\u0000", "empty": "",'
        ' "inner": {"x": [null, true, [], {}]}}'
    )
    assert store.put(LAST, parsed(body)) == [Outcome.WRITTEN]
    assert is_same(from_item(store.items()["exact"]), decode(body))


def test_a_read_settles_what_is_stored_in_no_older_version(store: Store) -> None:
    kept = {"r1": {"N": "7"}, "r2": {"S": f"{SECOND}Z"}, "r3": {}, "r5": {"N": "7"}}
    store.fill(item(key, attribute, "stored") for key, attribute in kept.items())
    new = {"r1": "7.0", "r2": "9", "r3": "9", "r4": "9", "r5": "8"}
    groups = [[message(key, {"N": version}), message(key, {})] for key, version in new.items()]
    now = time.monotonic()
    store.runner.run(Table("events", "event_id", NEWEST).read(groups), now + 5, now + 5)
    settled = [Outcome.SUPERSEDED, Outcome.COALESCED]
    outcomes = [[each.outcome for each in group] for group in groups]
    assert outcomes == [settled, settled, *[[Outcome.FAILED] * 2] * 3]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f'"{"x" * 450_000}"', "Item size"),
        ("[" * 32 + "1" + "]" * 32, "Nesting Levels"),
    ],
    ids=["too large", "too deep"],
)
def test_what_dynamodb_refuses_is_rejected(value: str, reason: str) -> None:
    with Emulator() as aws:
        loop = over_http(aws.endpoint_url)
        table = of_client(aws.client("dynamodb"), loop)
        message = parsed(f'{{"event_id": "refused", "x": {value}}}')
        assert table.put(LAST, message) == [Outcome.REJECTED]
        assert message.reason.startswith("ValidationException: ")
        assert reason in message.reason
        assert "refused" not in table.items()


def test_the_version_is_the_member_that_is_compared() -> None:
    members = {"a": Number("1"), "b": Number("2")}
    assert policy("b").version(members) == Number("2")
    assert policy("c").version(members) is None
    with pytest.raises(RejectedError, match=r"^timestamp is null; send a JSON number or"):
        policy("timestamp").version({"timestamp": None})
    with pytest.raises(RejectedError, match=r"^c is missing, and every event needs a version$"):
        policy("c", REQUIRE_VERSION="true").version(members)


def test_versions_rank_from_none_over_numbers_to_timestamps() -> None:
    rising: list[Version] = [
        None,
        *map(Number, ("-1E125", "0", "9007199254740992", "9007199254740993", "1E125")),
        *map(
            parse_version,
            (
                *("0001-01-01T00:00:00Z", f"{SECOND}Z", f"{SECOND}.05Z", f"{SECOND}.5Z"),
                *(f"{SECOND}.51Z", "2025-03-30T01:00:01Z", "2025-06-30T23:59:59.999999999Z"),
                *("2025-06-30T23:59:60Z", "2025-07-01T00:00:00Z"),
            ),
        ),
    ]
    assert all(rank(older) < rank(newer) for older, newer in pairwise(rising))
    assert rank(Number("1")) == rank(Number("10E-1"))
    assert rank(parse_version(f"{SECOND}.5Z")) == rank(parse_version(f"{SECOND}.50+00:00"))


def group(chosen: Policy, *versions: dict[str, Any]) -> list[int]:
    """Return the arrivals of events of one id in the order in which they are tried."""
    messages = [message("a", each) for each in versions]
    return [messages.index(each) for each in chosen.order(messages)]


@pytest.mark.parametrize("shuffle", list(permutations(range(5)))[::7])
def test_a_newer_version_is_tried_first_wherever_it_stands(shuffle: tuple[int, ...]) -> None:
    texts = ({"S": f"{SECOND}Z"}, {"S": f"{SECOND}.5Z"})
    rising: list[dict[str, Any]] = [{}, {"N": "9"}, {"N": "10.5"}, *texts]
    tried = group(NEWEST, *(rising[i] for i in shuffle))
    assert tried == [shuffle.index(i) for i in (4, 3, 2, 1, 0)]


def test_of_equal_versions_the_last_arrival_is_tried_first() -> None:
    assert group(NEWEST, *({"N": each} for each in ("1", "1.0", "1", "0"))) == [2, 1, 0, 3]
    assert group(NEWEST, {}, {}) == [1, 0]
    assert group(LAST, {}, {}, {}) == [2, 1, 0]
    assert group(FIRST, {}, {}, {}) == [0, 1, 2]


@pytest.mark.parametrize(
    ("kept", "new", "settled"),
    [
        ({"N": "1"}, {"N": "1.0"}, True),
        ({"N": "2"}, {"N": "1"}, True),
        ({"N": "1"}, {"N": "2"}, False),
        ({"S": f"{SECOND}.5Z"}, {"S": f"{SECOND}.50+00:00"}, True),
        ({"S": f"{SECOND}Z"}, {"N": "9"}, True),
        ({"N": "9"}, {"S": f"{SECOND}Z"}, False),
        ({"S": "zzz"}, {"S": f"{SECOND}Z"}, False),
        ({"NULL": True}, {"N": "9"}, False),
        ({}, {"N": "9"}, False),
    ],
)
def test_a_stored_version_settles_what_is_not_newer(
    kept: dict[str, Any], new: dict[str, Any], settled: bool
) -> None:
    assert NEWEST.is_settled(message("a", new), item("a", kept, "stored")) is settled


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"N": "1"}, {"N": "1.0"}, True),
        ({"N": "1"}, {"S": "1"}, False),
        ({"S": "a"}, {"S": "a"}, True),
        ({"BOOL": True}, {"BOOL": False}, False),
        ({"L": [{"N": "1"}]}, {"L": [{"N": "1"}, {"N": "1"}]}, False),
        ({"L": [{"N": "1E1"}, {"NULL": True}]}, {"L": [{"N": "10"}, {"NULL": True}]}, True),
        ({"M": {"a": {"N": "1"}}}, {"M": {"a": {"N": "1.00"}}}, True),
        ({"M": {"a": {"N": "1"}}}, {"M": {"a": {"N": "1"}, "b": {"NULL": True}}}, False),
        ({"M": {"a": {"N": "1"}}}, {"M": {"b": {"N": "1"}}}, False),
    ],
)
def test_values_are_equal_as_dynamodb_compares_them(
    one: dict[str, Any], other: dict[str, Any], equal: bool
) -> None:
    assert (comparable(one) == comparable(other)) is equal


def test_the_longest_condition_is_far_from_what_dynamodb_refuses() -> None:
    text = f"{SECOND}.123456789+00:00"
    longest = NEWEST.condition(message("a", {"S": text}))
    assert len(longest["ConditionExpression"]) < 4096  # bytes, "Quotas": expression parameters
    assert longest["ConditionExpression"].count(":v") == 10  # of 100 operands of IN
