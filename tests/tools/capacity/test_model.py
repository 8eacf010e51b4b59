"""The model's arithmetic, AWS's own published figures, the command, the check."""

import json
import math
import re
import subprocess
import sys
from dataclasses import astuple, replace

import pytest
import yaml

from tools.capacity import check, handler, model, step
from tools.capacity.__main__ import main
from tools.capacity.model import Load, Setup
from tools.capacity.quotas import quota_uses
from tools.stacks import PROJECT

# Times that make the arithmetic plain: 80 ms in the function, 20 ms beside it.
PLAIN = Setup(handler_ms=80, poll_ms=20)
FULL = Load(rate=100_000)


def test_quantities_are_as_in_awss_own_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    # "100 requests/second * 0.5 second/request = 50", lambda-concurrency.html
    assert model.concurrency(Load(rate=100), Setup(batch_size=1, handler_ms=500)) == 50
    # "a write request of a 3 KB item requires three write request units", DynamoDB's price page
    sizes = {1: 1, 1024: 1, 1025: 2, 3 * 1024: 3, 400 * 1024: 400}
    assert {size: model.units_per_write(Load(rate=1, size_bytes=size)) for size in sizes} == sizes
    # 64 KB are a request, SQS's price page; four of these go into one SendMessageBatch of 1 MiB.
    # Sent, received, deleted; and 4.88 of the readers are in a long poll of 20 s.
    large = Load(rate=4, size_bytes=240 * 1024)
    requests = model.sqs_requests(large, Setup(batch_size=1, handler_ms=10))
    assert requests == pytest.approx(15 + 16 + 4 + 4.88 / 20)
    assert model.sqs_requests(FULL, Setup(batch_size=100, handler_ms=80)) == pytest.approx(30_000)
    # 4,000 at first, and twice the last peak within 30 minutes, on-demand-capacity-mode.html
    assert model.new_table_minutes(Load(rate=16_000), PLAIN) == pytest.approx(60)
    # 60 a minute reach 1,250 "in approximately 20 minutes", AWS's blog on faster polling scale-up
    most, setup = Load(rate=1250), Setup(batch_size=1, handler_ms=980)
    assert step.step(most, setup, 1250).peak_seconds == pytest.approx(4.15 * 60)
    monkeypatch.setattr("tools.capacity.step.READERS_PER_MINUTE", 60)
    assert step.step(most, setup, 1250).peak_seconds == pytest.approx(20 * 60, rel=0.05)


def test_a_batch_of_some_of_an_ids_messages_needs_fewer_writes() -> None:
    def ids(messages: float, hot: float = 0, repeat: float = 0) -> float:
        load = Load(rate=1000, hot=hot, repeat=repeat, repeat_seconds=1)
        return model.ids_in_batch(load, messages)

    assert ids(100) == pytest.approx(100)  # no repeats
    assert ids(100, repeat=0.5) == pytest.approx(500 * (1 - 0.9**2))
    assert ids(1000, repeat=0.9) == pytest.approx(100)  # all of them
    assert ids(100, repeat=0.5, hot=0.5) == pytest.approx(1 + 250 * (1 - 0.9**2))
    assert model.ids_in_batch(Load(rate=0.01, repeat=0.9), 1) == 1
    assert ids(2, hot=0.5) == pytest.approx(0.75 + 1)
    assert model.ids_in_batch(Load(rate=1e9), 10) == 10  # or ten workers would take two rounds


def test_a_batch_holds_what_comes_while_its_reader_is_busy() -> None:
    def messages(load: Load, **setup: float) -> float:
        return model.messages_per_invocation(load, replace(PLAIN, **setup))  # type: ignore[arg-type] # whole numbers

    assert messages(Load(rate=1)) == 1
    # 100 ms a cycle: 100 events/s leave 2 for each of five readers, 5 for each of two.
    assert messages(Load(rate=100)) == pytest.approx(2)
    assert messages(Load(rate=100), maximum_concurrency=2) == pytest.approx(5)
    filling = Load(rate=800), Setup()  # a fuller batch takes longer, and so becomes fuller
    found = model.messages_per_invocation(*filling)
    assert found == pytest.approx(0.8 / 5 * (20 + model.duration_ms(*filling)))
    window = {"batch_size": 1000, "batch_window_seconds": 10}
    assert messages(Load(rate=100), **window) == pytest.approx(20 * 10.1)
    assert messages(replace(FULL, size_bytes=100 * 1024), **window) == pytest.approx(61.44)


def test_an_invocation_takes_its_cpu_time_or_its_rounds_of_writes() -> None:
    cpu = handler.CPU_MS_PER_INVOCATION + 10 * handler.CPU_MS_PER_MESSAGE
    cpu += 8 * handler.CPU_MS_PER_WRITE
    for memory_mb, times in ((1769, 1), (3538, 1), (1769 / 2, 2)):
        setup = Setup(memory_mb=memory_mb, write_ms=0.1)  # type: ignore[arg-type] # half of it
        assert model.handler_ms(setup, 10, 8) == pytest.approx(times * cpu + 0.1)
    slow, most = Setup(memory_mb=1769, write_ms=4000), handler.WORKERS
    assert model.handler_ms(slow, most, most) == pytest.approx(4000, rel=0.01)
    rounds = model.handler_ms(slow, 2 * most + 1, 2 * most + 1)
    assert rounds == pytest.approx(3 * (4000 + handler.CPU_MS_PER_WRITE))


def test_the_handlers_workers_and_the_defaults_are_the_programs() -> None:
    environment = {"TABLE_NAME": "t", "AWS_REGION": "us-east-1"}
    code = "from function.handler import WORKERS; print(WORKERS)"
    found = subprocess.check_output([sys.executable, "-c", code], env=environment, cwd=PROJECT)
    assert int(found) == handler.WORKERS
    schema = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text("utf-8"))["config"]
    keys = "batchSize", "batchWindowSeconds", "functionMemoryMb"
    assert astuple(Setup())[:3] == tuple(schema[key]["default"] for key in keys)


def test_little_s_law_gives_executions_readers_and_messages_in_flight() -> None:
    assert model.concurrency(FULL, PLAIN) == 800
    assert model.readers(FULL, PLAIN) == 1000
    assert model.in_flight(FULL, PLAIN) == 10_000
    windowed = replace(PLAIN, batch_size=100, batch_window_seconds=10)
    # Ten readers of 0.1 s under way, and as many gathering; or all of a window's.
    assert model.in_flight(Load(rate=10_000), windowed) == pytest.approx(1000 + 1000)
    assert model.in_flight(Load(rate=10), windowed) == pytest.approx(1 + 100)


def test_the_hottest_ids_partition_gets_one_write_a_batch() -> None:
    load = Load(rate=20_000, hot=0.5, size_bytes=2048)
    assert model.hot_write_units(load, Setup(batch_size=1)) == pytest.approx(2 * 10_000)
    large = Setup(batch_size=100, batch_window_seconds=1)
    assert model.hot_write_units(load, large) == pytest.approx(2 * 200)
    assert model.write_units(load, large) == pytest.approx(2 * 200 * 51)


def test_the_cost_is_what_is_billed() -> None:
    millions = 10_000 * 730 * 3600 / 1e6  # of invocations
    assert model.cost_per_month(FULL, replace(PLAIN, memory_mb=2048), {"write_unit": 1.25}) == {
        "lambda_request": pytest.approx(0.2 * millions),
        "lambda_gb_second": pytest.approx(13.3334 * millions * 0.08 * 2),
        "sqs_request": pytest.approx(0.4 * millions * 3),
        "write_unit": pytest.approx(1.25 * millions * 10),
        "log_gb": pytest.approx(0.5 * millions),  # 1000 bytes an invocation
    }


def test_quotas_come_in_the_order_in_which_they_are_met() -> None:
    uses = quota_uses(replace(FULL, hot=0.3), PLAIN, {"table_write_units": 80_000})
    rates = {name: use.met_at_rate for name, use in uses.items()}
    assert rates == {
        "partition_write_units": pytest.approx(10_000 / (1 - 0.7**10), rel=1e-4),
        "lambda_concurrency": pytest.approx(100_000, rel=1e-4),  # ten invocations/s for each
        "table_write_units": pytest.approx(80_000 * 10 / (7 + 1 - 0.7**10), rel=1e-4),
        "mapping_concurrency": pytest.approx(125_000, rel=1e-4),
        "sqs_in_flight": pytest.approx(1_200_000, rel=1e-4),
    }
    assert list(rates.values()) == sorted(each for each in rates.values() if each)
    slow = quota_uses(FULL, replace(PLAIN, handler_ms=180, maximum_concurrency=50), {})
    assert slow["lambda_concurrency"].met_at_rate == pytest.approx(1000 * 10 / 0.18, rel=1e-4)
    assert slow["mapping_concurrency"].met_at_rate == pytest.approx(50 * 10 / 0.2, rel=1e-4)
    assert slow["partition_write_units"].met_at_rate is None


@pytest.mark.parametrize(
    ("rate", "most", "peak", "backlog", "drained"),
    [
        (5, 1250, 0, 0, 0),
        # 205 readers are needed, 200 more than there are: 40 s at 5 a second.
        (205, 1250, 40, 4000, 80),
        # At 60 s 305 readers, 100 more than needed; 4000 less the 1000 of the 20 s since the peak.
        (205, 305, 40, 4000, 60 + 3000 / 100),
        (205, 204, math.inf, math.inf, math.inf),
    ],
)
def test_a_step(rate: float, most: float, peak: float, backlog: float, drained: float) -> None:
    found = step.step(Load(rate=rate), Setup(batch_size=1, handler_ms=980), most)
    assert astuple(found) == pytest.approx((peak, backlog, backlog / rate, drained))


def test_people_and_scripts_see_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--rate", "1e4", "--size", "2KB", "--maximum-concurrency", "2"]
    assert main(arguments) == main([*arguments, "--json"]) == 0
    shown, _, rest = capsys.readouterr().out.partition("\n{")
    assert re.search(r"^Met first, at (?s:.)+drained seconds +never", shown)
    figures = json.loads("{" + rest)
    assert figures["load"]["size_bytes"] == 2048
    assert figures["met_first"] == next(iter(figures["quotas"])) == "mapping_concurrency"
    assert figures["step"]["drained_seconds"] is None
    total = figures["cost_per_month"].pop("total")
    assert total == pytest.approx(sum(figures["cost_per_month"].values()))
    assert figures["cost_per_million_events"] == pytest.approx(total / 730 / 36)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: --rate"),
        (["--rate", "1", "--size", "401KB"], "'401KB' is no number from 1 to 409,600"),
        (["--rate", "1", "--batch", "1.5"], "'1.5' is no whole number from 1 to 10,000"),
        (["--rate", "1", "--batch", "11"], "above 10 it needs a --window of at least 1"),
        (["--rate", "1", "--price", "rent=1"], "'rent=1' names none of lambda_request"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert words in capsys.readouterr().err


def test_the_model_foresees_the_throughput_of_the_local_aws() -> None:
    assert check.main([], [check.CASES[-1]]) == 0


def test_a_rate_far_from_the_model_ends_the_check_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    case = check.CASES[0]
    for rate, writes, status in ((1.24, 1, 0), (1.26, 1, 1), (0.83, 1, 1), (1, 0.83, 1)):
        found = case.rate * rate, case.writes * writes
        monkeypatch.setattr(check, "measure", lambda _, found=found: found)
        assert check.main([], [case]) == status
