"""The benchmark counts what arrived, keeps its shape, and catches a variant that does less."""

import contextlib
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tools.bench.handler import VARIANTS, Plan, main
from tools.bench.measure import BenchmarkError, cpu_quota, difference, run, state
from tools.bench.stub import running_stub
from tools.bench.variants import Handler, client_loop

HERE = "tests.tools.test_benchmark"
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


def _stored(number: int, revision: int = 0) -> dict[str, Any]:
    """Return a state as it comes back from a table, with exact numbers."""
    back: dict[str, Any] = json.loads(json.dumps(state(number, revision)), parse_float=Decimal)
    return back


@pytest.mark.parametrize(
    ("puts", "words"),
    [
        ([_stored(2), _stored(2, 1), _stored(1)], ""),
        ([_stored(1), _stored(2)], "1 of 2 items are not as sent: evt-0000000002"),
        ([_stored(2, 1), _stored(3)], "2 of 2 items are not as sent: evt-0000000001"),
        ([_stored(1) | {"total": 0}], "2 of 2 items are not as sent: evt-0000000001"),
    ],
)
def test_a_table_that_is_not_as_sent_is_described(puts: list[dict[str, Any]], words: str) -> None:
    assert difference([state(1), state(2), state(2, 1)], puts) == words


PLAN = Plan(
    variants={"handler": VARIANTS["handler"], "client_loop": LOOP},
    sizes={2: (1, 2)},
    limited_memory_mb=(1024, 1025),  # the latter too large to be shown as limited
    limited=(1, 1),
    repeated_percent=(90,),
    first_large=1,
)


@pytest.fixture(scope="module")
def printed() -> str:
    """Measure once, each variant in turn; return what `--json` prints."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr("tools.bench.handler.cpu_quota", lambda _: contextlib.nullcontext())
        for name in ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_PROFILE", "HTTPS_PROXY"):  # the host's
            patch.setenv(name, "http://127.0.0.1:1")
        assert main(["--json", "--latency-ms", "0"], PLAN) == 0
    return out.getvalue()


def _zeroed(figures: Any) -> Any:
    """Return the shape of some figures: 0 for each."""
    if not isinstance(figures, dict):
        return 0
    return {name: _zeroed(each) for name, each in figures.items()}


def test_json_has_the_documented_shape(printed: str) -> None:
    figures = json.loads(printed)
    row = {
        **{key: {"2": 0} for key in ("wall_ratio", "cpu_ratio", "wall_ms", "cpu_ms_per_event")},
        "first_write_ms": 0,
    }
    limited, memory = {"wall_ratio": 0, "wall_ms": 0}, {"wall_ms": 0, "usd_per_million": 0}
    names = ("handler", "client_loop")
    environment = ("python", "boto3", "cpus", "system", "machine", "cpu_quota")
    assert _zeroed(figures) == {
        "latency_ms": 0,
        "round_trip_ms": 0,
        "floor_ratio": {"2": 0},
        "variants": dict.fromkeys(names, row),
        "limited": {"1024": dict.fromkeys(names, limited)},
        "memory": dict.fromkeys(("1024", "1025"), memory),
        "first_large_ms": dict.fromkeys(names, 0),
        "runtime": dict.fromkeys(("init_ms", "trivial_init_ms", "warm_ms"), 0),
        "debounce": {"90": dict.fromkeys(names, 0)},
        "environment": dict.fromkeys(environment, 0),
    }
    assert figures["variants"]["client_loop"]["wall_ratio"] == {"2": 1.0}
    assert 0 < figures["runtime"]["warm_ms"] < figures["runtime"]["init_ms"]
    assert figures["debounce"] == {"90": {"handler": 0.1, "client_loop": 1.0}}


def test_a_variant_that_fails_ends_the_benchmark_and_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = PLAN._replace(variants={"handler": f"{HERE}:raises", "client_loop": LOOP})
    assert main(["--json"], plan) == 1
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err.splitlines()[1].startswith("raises ended with status 1: ")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        # One event of the warm-up, and one of the batch.
        ("skips_one", "skips_one: 2 of 131 items are not as sent: evt-0000000128"),
        ("fails_one", "fails_one reported 3 messages as failed"),
    ],
)
def test_a_variant_that_does_less_is_found_out(build: str, words: str) -> None:
    with running_stub(latency_ms=0) as stub, pytest.raises(BenchmarkError, match=words):
        run(f"{HERE}:{build}", [[state(1000), state(1001)]], stub)


def test_a_quota_follows_the_memory_where_there_are_control_groups(tmp_path: Path) -> None:
    with cpu_quota(256, tmp_path / "absent") as group:
        assert group is None
    (tmp_path / "cgroup.controllers").write_text("cpu")
    with cpu_quota(1769, tmp_path) as group:
        assert group is not None
        limit = group.parent / "cpu.max"
        assert limit.read_text() == "20000 20000"
        limit.unlink()  # to rmdir a real group is empty
