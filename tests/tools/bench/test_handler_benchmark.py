"""The benchmark counts what arrived, keeps its shape, and catches a variant that does less."""

import contextlib
import http.client
import io
import json
import ssl
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tools.bench.cpu_quota import cpu_quota
from tools.bench.handler import Plan, Size, main
from tools.bench.process import WARM_UP_EVENTS, BenchmarkError, run
from tools.bench.stub import HOST, Stub, running_stub
from tools.bench.variants import Handler, client_loop
from tools.bench.workload import difference, repeated, sqs_event, state, written

HERE = "tests.tools.bench.test_handler_benchmark"
LOOP = "tools.bench.variants:client_loop"


def skips_one() -> Handler:
    """Answer for a whole batch, having written all of it but one."""
    handle = client_loop()
    return lambda event, context: handle(
        {"Records": event["Records"][:-1] or event["Records"]}, context
    )


def fails_one() -> Handler:
    """Write everything, then report one message as failed."""
    handle = client_loop()

    def failing(event: dict[str, Any], context: Any) -> Any:
        handle(event, context)
        return {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}

    return failing


def raises() -> Handler:
    """Fail as a handler with a bug does."""
    raise RuntimeError("broken variant")


def plan(**variants: str) -> Plan:
    return Plan(
        variants=variants,
        sizes={2: Size(rounds=1, batches=1), 3: Size(rounds=1, batches=2)},
        limited_memory_mb=(1024, 1025),  # the latter too large to be shown as limited
        limited=Size(rounds=1, batches=1),
        repeated_percent=(90,),
        first_large=1,
    )


def stored(number: int, revision: int = 0) -> dict[str, Any]:
    """Return a state as it comes back from a table, with exact numbers."""
    back: dict[str, Any] = json.loads(json.dumps(state(number, revision)), parse_float=Decimal)
    return back


def put(stub: Stub, table: str, item: dict[str, Any]) -> bytes:
    """Write as DynamoDB's protocol does, and return the answer's body."""
    tls = ssl.create_default_context(cafile=stub.ca_bundle)
    with contextlib.closing(
        http.client.HTTPSConnection(HOST, stub.port, context=tls)
    ) as connection:
        headers = {"X-Amz-Target": "DynamoDB_20120810.PutItem"}
        connection.request("POST", "/", json.dumps({"TableName": table, "Item": item}), headers)
        return connection.getresponse().read()


def test_the_stub_returns_each_request_once_and_in_order() -> None:
    items = [{"event_id": {"S": "a"}, "n": {"N": number}} for number in ("1", "2")]
    with running_stub(latency_ms=0) as stub:
        answers = [put(stub, "t", item) for item in items]
        first, second = stub.take(), stub.take()
    assert answers == [b"{}", b"{}"]
    assert first == [{"operation": "PutItem", "TableName": "t", "Item": item} for item in items]
    assert second == []


def test_the_stub_answers_no_earlier_than_its_latency() -> None:
    with running_stub(latency_ms=30) as stub:
        assert stub.round_trip_ms(samples=3) >= 30


def test_the_probe_of_the_floor_leaves_no_request_behind() -> None:
    with running_stub(latency_ms=0) as stub:
        stub.round_trip_ms(samples=3)
        assert stub.take() == []


def test_only_puts_into_the_events_table_count_as_written() -> None:
    item = {"event_id": {"S": "a"}}
    requests = [
        {"operation": "PutItem", "TableName": "idempotency", "Item": {"id": {"S": "x"}}},
        {"operation": "PutItem", "TableName": "event-state-target-table", "Item": item},
        {"operation": "UpdateItem", "TableName": "idempotency", "Key": {"id": {"S": "x"}}},
    ]
    assert written(requests) == [{"event_id": "a"}]


def test_a_complete_table_shows_no_difference() -> None:
    assert difference([state(1), state(2)], [stored(2), stored(1)]) == ""


@pytest.mark.parametrize(
    ("puts", "words"),
    [
        (
            [stored(1)],
            "of 2 events 1 never reached the table and 0 arrived changed; 0 items were never sent",
        ),
        (
            [stored(1), stored(2) | {"total": 0}],
            "of 2 events 0 never reached the table and 1 arrived changed; 0 items were never sent",
        ),
        (
            [stored(1), stored(2), stored(3)],
            "of 2 events 0 never reached the table and 0 arrived changed; 1 items were never sent",
        ),
    ],
)
def test_a_table_that_is_not_as_sent_is_described(puts: list[dict[str, Any]], words: str) -> None:
    assert difference([state(1), state(2)], puts) == words


def test_an_older_revision_in_the_table_is_a_change() -> None:
    wrong = difference([state(1, 0), state(1, 1)], [stored(1, 1), stored(1, 0)])
    assert wrong.startswith("of 1 events 0 never reached the table and 1 arrived changed")


def test_repeated_ids_come_in_the_share_that_was_asked_for() -> None:
    for percent, distinct in ((0, 100), (50, 50), (90, 10)):
        states = repeated(100, percent, first=7)
        assert len(states) == 100
        assert {s["event_id"] for s in states} == {
            state(7 + i)["event_id"] for i in range(distinct)
        }
        versions = [s["timestamp"] for s in states if s["event_id"] == states[0]["event_id"]]
        assert versions == sorted(set(versions))


def test_an_event_is_of_the_stated_size() -> None:
    body = sqs_event([state(12345)])["Records"][0]["body"]
    assert 600 <= len(body.encode()) <= 630


VARIANTS = {
    "handler": LOOP,
    "client_loop": LOOP,
    "resource_loop": "tools.bench.variants:resource_loop",
}


@pytest.fixture(scope="module")
def printed() -> str:
    """Measure once, each variant in turn; return what `--json` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["--json", "--latency-ms", "0"], plan(**VARIANTS)) == 0
    return out.getvalue()


def test_json_has_the_documented_shape(printed: str) -> None:
    figures = json.loads(printed)
    assert figures["latency_ms"] == 0
    assert figures["round_trip_ms"] > 0
    assert list(figures["variants"]) == list(VARIANTS)
    for row in figures["variants"].values():
        assert row["wall_ratio"].keys() == row["cpu_ratio"].keys() == {"2", "3"}
        assert row["first_write_ms"] > 0
    assert figures["variants"]["client_loop"]["wall_ratio"] == {"2": 1.0, "3": 1.0}
    assert figures["floor_ratio"].keys() == {"2", "3"}
    assert figures["limited"].keys() == {"1024"}
    assert figures["limited"]["1024"].keys() == {"handler", "client_loop"}
    for row in figures["limited"]["1024"].values():
        assert row.keys() == {"wall_ratio", "wall_ms"}
    assert figures["limited"]["1024"]["client_loop"]["wall_ratio"] == 1.0
    assert figures["first_large_ms"].keys() == {"handler", "client_loop"}
    assert figures["runtime"].keys() == {"init_ms", "trivial_init_ms", "warm_ms"}
    assert 0 < figures["runtime"]["warm_ms"] < figures["runtime"]["init_ms"]
    assert figures["memory"].keys() == {"1024", "1025"}
    assert figures["debounce"] == {"90": {"handler": 1.0, "client_loop": 1.0}}


def test_people_get_every_variant_in_a_table(
    printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.bench.handler.benchmark", lambda *_: json.loads(printed))
    assert main([], plan(**VARIANTS)) == 0
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines() if line.strip()]
    assert ["client_loop", "1.00", "1.00", "1.00", "1.00"] in [row[:5] for row in rows]
    assert {row[0] for row in rows} >= VARIANTS.keys()


def test_the_handler_writes_once_for_each_repeated_id() -> None:
    with running_stub(latency_ms=0) as stub:
        done = run("handler", "tools.bench.variants:handler", [repeated(20, 90, first=100)], stub)
    assert done.writes_per_message == 0.1


def test_a_variant_that_writes_less_ends_the_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--json"], plan(handler=f"{HERE}:skips_one", client_loop=LOOP))
    answer = capsys.readouterr()
    assert status == 1
    assert answer.out == ""
    # One of the events of the warm-up and one of the batch of two.
    sent = 1 + WARM_UP_EVENTS + 2
    assert f"handler: of {sent} events 2 never reached the table" in answer.err


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("fails_one", "crooked reported 3 messages as failed"),
        ("raises", "crooked ended with status 1"),
    ],
)
def test_a_variant_that_fails_is_named(build: str, words: str) -> None:
    with running_stub(latency_ms=0) as stub, pytest.raises(BenchmarkError, match=words):
        run("crooked", f"{HERE}:{build}", [[state(100)]], stub)


def test_settings_of_the_host_do_not_reach_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_PROFILE", "nonsense")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with running_stub(latency_ms=0) as stub:
        assert run("client_loop", LOOP, [[state(100)]], stub).writes_per_message == 1.0


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "matplotlib" else ""
    )
    assert main(["--plot", "plot.png"], plan(handler=LOOP, client_loop=LOOP)) == 1
    assert (
        capsys.readouterr().err
        == "Not installed: matplotlib. `make bench` installs and runs all.\n"
    )


def test_a_quota_follows_the_memory(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu")
    with cpu_quota(1769, tmp_path) as group:
        assert group is not None
        limit = group.parent / "cpu.max"
        assert limit.read_text() == "20000 20000"
        limit.unlink()  # to rmdir a real group is empty


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    with cpu_quota(256, tmp_path / "absent") as group:
        assert group is None
