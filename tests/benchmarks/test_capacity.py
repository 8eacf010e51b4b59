"""The capacity model: its arithmetic, AWS's own published figures, its command, its simulation."""

import json
import math
import os
import random
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from benchmarks import capacity_check, simulation
from benchmarks.aws_limits import PRICES, QUOTAS
from benchmarks.capacity import (
    SECONDS_PER_MONTH,
    Estimate,
    Load,
    QuotaUse,
    Setup,
    distinct,
    estimate,
    handler_ms,
    main,
    messages_per_batch,
    ramp,
    saturated_rate,
    write_units,
    writes_of_batch,
)
from local.stacks import PROJECT, load_stack

# Times that make the arithmetic plain: 80 ms in the function, 20 ms beside it.
PLAIN = Setup(handler_ms=80, poll_ms=20)


def quota(result: Estimate, name: str) -> QuotaUse:
    return next(each for each in result.quotas if each.name == name)


def run_json(*arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    figures: dict[str, Any] = json.loads(capsys.readouterr().out)
    return figures


# What AWS publishes, with where.


def test_concurrency_is_as_in_the_example_of_lambdas_guide() -> None:
    # "100 requests/second * 0.5 second/request = 50", lambda-concurrency.html
    result = estimate(Load(rate=100), Setup(batch_size=1, handler_ms=500))
    assert result.concurrency == pytest.approx(50)


def test_invocations_are_limited_to_ten_times_the_concurrency() -> None:
    # lambda-concurrency.html#concurrency-vs-requests-per-second
    for limits, expected in (({}, 10_000), ({"lambda_concurrency": 5000}, 50_000)):
        assert quota(estimate(Load(rate=1), PLAIN, limits), "lambda_invocations").limit == expected


@pytest.mark.parametrize(
    ("size_bytes", "units"), [(1, 1), (1024, 1), (1025, 2), (3 * 1024, 3), (400 * 1024, 400)]
)
def test_a_write_is_rounded_up_to_whole_kilobytes(size_bytes: int, units: int) -> None:
    # "a write request of a 3 KB item requires three write request units", DynamoDB's price page
    assert write_units(size_bytes) == units


def test_a_message_is_billed_by_64_kilobytes() -> None:
    # A payload of 256 KB is four requests, SQS's price page; here four of them fit one SendMessage.
    result = estimate(Load(rate=4, size_bytes=256 * 1024), Setup(batch_size=1, handler_ms=10))
    assert result.sqs_sends == 1
    # Sent, received, deleted; and 4.88 of the five readers are in a long poll of 20 s.
    assert result.sqs_billed == pytest.approx(16 + 16 + 4 + 4.88 / 20)


def test_the_mapping_takes_as_long_to_grow_as_aws_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # "up to 60 concurrent executions per minute, scaling up to a maximum of 1,250 concurrent
    # executions in approximately 20 minutes", and five times as fast since: the announcement
    # "Introducing faster polling scale-up for AWS Lambda functions configured with Amazon SQS".
    def minutes() -> float:
        return ramp(rate=1250, batch=1, cycle_seconds=1, most_readers=1250).peak_seconds / 60

    assert minutes() == pytest.approx(4.15)
    monkeypatch.setattr("benchmarks.capacity.READERS_PER_MINUTE", 60)
    assert minutes() == pytest.approx(20, rel=0.05)


# Debouncing.


def test_without_repeats_every_message_is_a_write() -> None:
    for messages in (1, 7, 100):
        assert distinct(messages, 1000, 0) == pytest.approx(messages)


def test_a_batch_as_large_as_the_population_has_every_repeat_in_it() -> None:
    assert distinct(1000, 1000, 0.9) == pytest.approx(100)
    assert distinct(1000, 10, 0.9) == pytest.approx(100)


def test_a_batch_that_is_a_small_part_of_the_population_has_next_to_no_repeat_in_it() -> None:
    assert distinct(10, 3_000_000, 0.5) == pytest.approx(10, rel=1e-4)


def test_one_message_is_one_write() -> None:
    for population in (0.01, 1, 20, 1e12):
        assert distinct(1, population, 0.9) == pytest.approx(1, rel=0.01)


def test_repeats_are_met_as_when_a_batch_is_really_drawn() -> None:
    dice = random.Random(1)
    for size, per_id, batch in ((20, 5, 10), (100, 2, 10), (100, 10, 50)):
        ids = [i // per_id for i in range(size)]
        drawn = [len(set(dice.sample(ids, batch))) for _ in range(4000)]
        expected = distinct(batch, size, 1 - 1 / per_id)
        assert expected == pytest.approx(sum(drawn) / len(drawn), rel=0.01)


def test_the_hottest_id_costs_a_batch_one_write() -> None:
    load = Load(rate=1e6, hot=0.5)
    assert writes_of_batch(load, 1000) == pytest.approx(1 + 500)
    assert writes_of_batch(load, 1) == pytest.approx(1)


# Batches.


def test_few_events_come_one_by_one() -> None:
    assert messages_per_batch(Load(rate=1), PLAIN) == 1


def test_many_events_fill_the_batch() -> None:
    assert messages_per_batch(Load(rate=100_000), PLAIN) == 10


def test_in_between_a_batch_holds_what_came_while_its_reader_was_busy() -> None:
    # Five readers, 20 + 80 ms a cycle whatever the batch: 100 events/s leave 2 for each.
    constant = replace(PLAIN, write_ms=80)
    assert messages_per_batch(Load(rate=100), constant) == pytest.approx(2)


def test_a_window_fills_batches_at_low_rates() -> None:
    constant = Setup(
        batch_size=1000, batch_window_seconds=10, handler_ms=80, write_ms=80, poll_ms=20
    )
    assert messages_per_batch(Load(rate=100), constant) == pytest.approx(20 * 10.1)


def test_an_invocations_payload_ends_a_batch_early() -> None:
    setup = replace(PLAIN, batch_size=10_000, batch_window_seconds=300)
    assert messages_per_batch(Load(rate=1e6, size_bytes=100 * 1024), setup) == pytest.approx(
        50.9, abs=0.1
    )


# The handler's time.


@pytest.mark.parametrize(
    ("memory_mb", "messages", "measured_ms"),
    # Wall times of benchmarks.handler.run under a CPU quota like Lambda's, writes of 5 ms.
    [
        (256, 10, 114),
        (256, 1000, 11_770),
        (512, 10, 40),
        (512, 100, 387),
        (1024, 100, 170),
        (1024, 1000, 1956),
        (1769, 10, 13.2),
        (1769, 1000, 1071),
    ],
)
def test_the_handlers_time_is_near_what_was_measured(
    memory_mb: int, messages: int, measured_ms: float
) -> None:
    modelled = handler_ms(Setup(memory_mb=memory_mb), messages, messages)
    assert modelled == pytest.approx(measured_ms, rel=0.25)


def test_a_slow_table_costs_as_many_rounds_as_the_workers_need() -> None:
    slow = Setup(memory_mb=512, write_ms=400)
    assert handler_ms(slow, 10, 5) == pytest.approx(400, rel=0.1)
    assert handler_ms(slow, 10, 6) == pytest.approx(800, rel=0.1)


def test_a_measured_time_is_used_as_it_is() -> None:
    assert handler_ms(Setup(handler_ms=33, memory_mb=128), 10, 3) == 33


def test_workers_are_those_of_the_handler() -> None:
    sizes = (128, 511, 512, 1024, 1769, 10_240)
    for memory_mb in sizes:
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "TABLE_NAME": "t",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        code = "from function.handler import WORKERS; print(WORKERS)"
        answer = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        )
        assert Setup(memory_mb=memory_mb).workers == int(answer.stdout)


# Quotas.


def test_the_table_is_the_first_quota_of_small_events() -> None:
    result = estimate(Load(rate=100), Setup())
    assert result.quotas[0].name == "table_write_units"
    assert result.quotas[0].met_at_rate == pytest.approx(40_000, rel=1e-4)


def test_quotas_are_ordered_by_the_rate_that_meets_them() -> None:
    rates = [each.met_at_rate or math.inf for each in estimate(Load(rate=1), Setup()).quotas]
    assert rates == sorted(rates)


def test_a_quota_is_just_met_at_its_rate() -> None:
    for each in estimate(Load(rate=1, hot=0.3), Setup()).quotas:
        assert each.met_at_rate is not None
        there = estimate(Load(rate=each.met_at_rate, hot=0.3), Setup())
        assert quota(there, each.name).used == pytest.approx(each.limit, rel=1e-5)


def test_without_a_hot_id_no_rate_meets_a_partitions_quota() -> None:
    assert quota(estimate(Load(rate=1), Setup()), "partition_write_units").met_at_rate is None


def test_debouncing_spares_the_partition_of_a_hot_id() -> None:
    def hot_units(**setup: int) -> float:
        return estimate(Load(rate=20_000, hot=0.5), Setup(**setup)).hot_write_units

    assert hot_units(batch_size=1) == pytest.approx(10_000)
    assert hot_units(batch_size=10) == pytest.approx(2000, rel=1e-3)
    assert hot_units(batch_size=100, batch_window_seconds=1) == pytest.approx(200)


def test_maximum_concurrency_takes_the_place_of_the_mappings_quota() -> None:
    result = estimate(Load(rate=1), replace(PLAIN, maximum_concurrency=50))
    own = quota(result, "maximumConcurrency")
    assert own.limit == 50
    assert own.met_at_rate == pytest.approx(50 * 10 / 0.1, rel=1e-4)
    assert not [each for each in result.quotas if each.name == "mapping_concurrency"]


def test_a_raised_quota_is_met_later() -> None:
    raised = estimate(Load(rate=1), Setup(), {"table_write_units": 80_000})
    assert quota(raised, "table_write_units").met_at_rate == pytest.approx(80_000, rel=1e-4)


def test_duplicates_cost_as_much_as_other_messages() -> None:
    result = estimate(Load(rate=100_000, duplicates=0.1), PLAIN)
    assert result.write_units == pytest.approx(110_000)
    assert result.invocations == pytest.approx(11_000)
    assert result.sqs_sends == pytest.approx(10_000)


def test_every_quota_and_price_names_its_source() -> None:
    sources = [each.source for each in QUOTAS.values()] + [each.source for each in PRICES.values()]
    assert all(source.startswith("https://") for source in sources)


# Costs.


def test_the_cost_is_the_sum_of_its_items() -> None:
    result = estimate(Load(rate=100_000), replace(PLAIN, log_bytes=500))
    millions = SECONDS_PER_MONTH * 1e4 / 1e6  # of invocations
    expected = {
        "lambda_request": 0.2 * millions,
        "lambda_gb_second": 13.3334 * millions * 0.08,
        "sqs_request": 0.4 * millions * 3,
        "write_unit": 0.625 * millions * 10,
        "log_gb": 0.5 * millions * 500 / 1000,
    }
    assert result.cost_per_month == pytest.approx({**expected, "total": sum(expected.values())})
    assert result.cost_per_million_events == pytest.approx(
        (0.2 + 13.3334 * 0.08 + 0.4 * 3 + 0.625 * 10 + 0.5 * 0.5) / 10
    )


def test_another_price_changes_its_item_alone() -> None:
    load = Load(rate=1000)
    usual, dear = estimate(load, PLAIN), estimate(load, PLAIN, prices={"write_unit": 1.25})
    changed = {
        name for name, cost in usual.cost_per_month.items() if dear.cost_per_month[name] != cost
    }
    assert changed == {"write_unit", "total"}
    assert dear.cost_per_month["write_unit"] == 2 * usual.cost_per_month["write_unit"]


def test_a_window_holds_no_more_in_flight_than_fills_the_readers() -> None:
    windowed = replace(PLAIN, batch_size=100, batch_window_seconds=10)
    # Ten readers of 0.1 s under way, and as many gathering a batch.
    assert estimate(Load(rate=10_000), windowed).in_flight == pytest.approx(1000 + 1000)
    # Few events: all of the window's.
    assert estimate(Load(rate=10), windowed).in_flight == pytest.approx(100, rel=0.02)


# A step.


def test_readers_that_stand_ready_take_a_small_step() -> None:
    assert ramp(rate=50, batch=10, cycle_seconds=1, most_readers=1250).peak_backlog == 0


def test_a_step_is_drained_in_twice_the_time_to_its_peak() -> None:
    # 205 readers are needed, 200 more than there are: 40 s at 5 a second.
    result = ramp(rate=205, batch=1, cycle_seconds=1, most_readers=1250)
    assert result.peak_seconds == 40
    assert result.peak_backlog == 4000
    assert result.peak_age_seconds == pytest.approx(4000 / 205)
    assert result.drained_seconds == 80


def test_a_limit_on_readers_draws_the_drain_out() -> None:
    # At 60 s 305 readers, 100 more than needed; 4000 less the 1000 of the 20 s since the peak.
    result = ramp(rate=205, batch=1, cycle_seconds=1, most_readers=305)
    assert result.drained_seconds == pytest.approx(60 + 3000 / 100)


def test_a_load_beyond_the_readers_is_never_caught_up_with() -> None:
    assert ramp(rate=205, batch=1, cycle_seconds=1, most_readers=204).drained_seconds == math.inf


def test_saturated_readers_take_a_batch_a_cycle() -> None:
    assert saturated_rate(PLAIN, readers=4, writes=10) == pytest.approx(400)


# The command.


def test_json_has_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    figures = run_json(
        *("--rate", "50000", "--size", "1KB", "--repeat", "0.5", "--batch", "10"),
        *("--window", "0", "--memory", "1024"),
        capsys=capsys,
    )
    assert figures["load"]["rate"] == 50_000
    assert figures["load"]["size_bytes"] == 1024
    assert figures["batch"] == 10
    assert figures["invocations"] == 5000
    assert figures["quotas"][0]["name"] == "table_write_units"
    assert figures["quotas"][-1]["met_at_rate"] is None


def test_json_has_null_for_what_never_comes(capsys: pytest.CaptureFixture[str]) -> None:
    figures = run_json("--rate", "1e6", "--maximum-concurrency", "2", capsys=capsys)
    assert figures["ramp"]["drained_seconds"] is None


def test_people_see_the_quota_that_is_met_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rate", "50000"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "Met first, at 40,000 events/s: DynamoDB writes to one on-demand table.\n"
    )
    assert "A new table needs 109 minutes of growing load" in shown


def test_people_see_that_a_limit_is_too_low(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rate", "50000", "--maximum-concurrency", "2"]) == 0
    assert "the mapping never catches up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "0"], "'0' is no number above 0"),
        (["--rate", "many"], "'many' is no number above 0"),
        (["--rate", "1", "--size", "1MB"], "'1MB' is no size from 1 byte to the 400KB"),
        (["--rate", "1", "--size", "401KB"], "'401KB' is no size from 1 byte to the 400KB"),
        (["--rate", "1", "--repeat", "1"], "'1' is no share from 0 to below 1"),
        (["--rate", "1", "--batch", "10001"], "'10001' is no whole number from 1 to 10000"),
        (["--rate", "1", "--batch", "11"], "above 10 it needs a --window of at least 1"),
        (["--rate", "1", "--repeat", "0.5", "--hot", "0.5"], "together they are 1 or more"),
        (["--rate", "1", "--price", "rent=1"], "'rent=1' is no price: write NAME=NUMBER"),
        (["--rate", "1", "--quota", "sqs_in_flight=0"], "'sqs_in_flight=0' is no quota"),
        ([], "the following arguments are required: --rate"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert words in capsys.readouterr().err


# The simulation and the measured check.


def test_a_simulation_without_its_packages_names_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert simulation.main(["--plots", "."]) == 1
    assert (
        capsys.readouterr().err == "Not installed: simpy, matplotlib. `make bench` installs them.\n"
    )


def test_the_simulation_agrees_with_the_formula_of_a_step() -> None:
    samples = simulation.simulate_step(rate=1000, batch=10, cycle_seconds=0.5, seconds=40, seed=7)
    formula = ramp(rate=1000, batch=10, cycle_seconds=0.5, most_readers=1250)
    assert max(s.backlog for s in samples) == pytest.approx(formula.peak_backlog, rel=0.1)
    assert samples[0].readers == 5
    assert samples[6].readers == pytest.approx(35, abs=1)


def test_a_simulated_partition_throttles_what_is_above_its_thousand_units() -> None:
    found = simulation.simulate_hot(
        invocations=2000, batch=1, hot=0.999, units=1, seconds=20, seed=1
    )
    assert found.throttled == pytest.approx(0.5, abs=0.04)


def test_the_formulas_backlog_is_that_of_the_ramp() -> None:
    formula = ramp(rate=1000, batch=10, cycle_seconds=0.5, most_readers=1250)
    at_peak = simulation.fluid_backlog(formula.peak_seconds, 1000, 10, 0.5)
    assert at_peak == pytest.approx(formula.peak_backlog)


def test_each_group_of_a_check_holds_all_messages_of_its_ids() -> None:
    case = capacity_check.Case(batch_size=10, maximum_concurrency=2, repeat=0.8, among=20)
    made = [json.loads(body)["event_id"] for body in capacity_check.bodies(case, seed=1)]
    assert len(made) == case.messages == 300
    groups = [made[i : i + 20] for i in range(0, 300, 20)]
    for group in groups:
        assert sorted(group.count(each) for each in set(group)) == [5, 5, 5, 5]
    assert all(not set(one) & set(other) for one, other in pairwise(groups))


def test_a_measured_rate_far_from_the_model_ends_the_check_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = capacity_check.Case(batch_size=10, maximum_concurrency=2)
    for factor, writes, status in ((1.19, 1, 0), (1.21, 1, 1), (0.79, 1, 1), (1, 0.79, 1)):
        measured = capacity_check.Measured(rate=case.rate * factor, writes_per_message=writes)
        monkeypatch.setattr(capacity_check, "measure", lambda *_, m=measured: m)
        assert capacity_check.main(["--json"], [case]) == status
        assert json.loads(capsys.readouterr().out)[0]["within"] is (status == 0)


def test_the_model_foresees_the_throughput_of_the_local_aws() -> None:
    case = capacity_check.Case(
        batch_size=10, maximum_concurrency=4, memory_mb=512, repeat=0.8, among=20
    )
    measured = capacity_check.measure(case, seed=3)
    assert measured.rate == pytest.approx(case.rate, rel=capacity_check.TOLERANCE)
    assert measured.writes_per_message == pytest.approx(
        case.writes_per_message, rel=capacity_check.TOLERANCE
    )


# The page about it.

PAGE = (PROJECT / "docs" / "scaling.md").read_text("utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the page's table whose first header cells are these, without header."""
    lines = PAGE.split(heading, 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


def test_the_loads_on_the_page_are_the_models() -> None:
    table = rows("| events/s | batchSize / window | messages")
    assert {row[0] for row in table} == {"100", "10,000", "100,000"}
    for row in table:
        batch, window = row[1].removesuffix(" s").split(" / ")
        setup = Setup(batch_size=int(batch), batch_window_seconds=int(window))
        e = estimate(Load(rate=number(row[0])), setup)
        assert e.quotas[0].name == "table_write_units"
        assert row[2:] == [
            f"{e.batch:.0f}",
            f"{e.invocations:,.0f}",
            f"{e.concurrency:.1f}",
            f"{e.write_units:,.0f}",
            f"{e.cost_per_month['total']:,.0f}",
            f"{e.cost_per_million_events:.2f}",
        ]


def test_the_quotas_on_the_page_are_the_models() -> None:
    table = rows("| events/s | used of the table's quota")
    assert len(table) == 3
    for row in table:
        first, second = estimate(Load(rate=number(row[0])), Setup()).quotas[:2]
        assert (first.name, second.name) == ("table_write_units", "lambda_invocations")
        for quota_, cell in ((first, row[1]), (second, row[3])):
            assert number(cell) == pytest.approx(quota_.used / quota_.limit * 100)


def test_the_memory_sizes_on_the_page_are_the_models() -> None:
    table = rows("| MB | writes at once")
    assert len(table) == 5
    for row in table:
        setup = Setup(memory_mb=int(row[0]))
        e = estimate(Load(rate=10_000), setup)
        duration = e.cost_per_month["lambda_gb_second"] / SECONDS_PER_MONTH / 10_000 * 1e6
        assert row[1:] == [
            f"{setup.workers}",
            f"{e.handler_ms:.1f}",
            f"{e.concurrency:.1f}",
            f"{duration:.4f}",
        ]


def test_the_repeats_on_the_page_are_the_models() -> None:
    table = rows("| events/s | an id's messages within")
    assert len(table) == 4
    for row in table:
        load = Load(
            rate=number(row[0]), repeat=0.5, repeat_seconds=float(row[1].removesuffix(" s"))
        )
        shares = [
            estimate(load, Setup(batch_size=batch, batch_window_seconds=window)).debounced
            for batch, window in ((10, 0), (100, 1), (1000, 5))
        ]
        assert row[2:] == [f"{share * 100:.1f} %" for share in shares]


def test_the_hot_ids_on_the_page_are_the_models() -> None:
    table = rows("| share of the events that belong to it")
    assert len(table) == 3
    for row in table:
        load = Load(rate=1, hot=number(row[0]) / 100)
        met = [
            quota(
                estimate(load, Setup(batch_size=batch, batch_window_seconds=window)),
                "partition_write_units",
            ).met_at_rate
            for batch, window in ((1, 0), (10, 0), (100, 1))
        ]
        assert row[1:] == [f"{rate:,.0f}" for rate in met]


def test_the_handlers_times_on_the_page_are_the_models() -> None:
    table = rows("| MB | batch | model, ms")
    assert len(table) == 7
    for row in table:
        messages = number(row[1])
        modelled = handler_ms(Setup(memory_mb=int(row[0])), messages, messages)
        assert number(row[2]) == pytest.approx(modelled, rel=0.02)


def test_the_checks_on_the_page_are_those_that_are_run() -> None:
    shown = [(row[0], row[1], row[2], row[4]) for row in rows("| batchSize | maximumConcurrency")]
    assert shown == [
        (str(c.batch_size), str(c.maximum_concurrency), str(c.memory_mb), f"{c.rate:.1f}")
        for c in capacity_check.CASES
    ]


def test_every_estimate_on_the_page_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    estimates = [each for each in COMMANDS if each[:3] == ["python", "-m", "benchmarks.capacity"]]
    assert len(estimates) == 3
    for command in estimates:
        assert main(command[3:]) == 0
    capsys.readouterr()


def test_every_setting_on_the_page_is_a_key_of_the_program() -> None:
    declared = load_stack("prod").config
    changes = [each for each in COMMANDS if each[0] == "pulumi"]
    assert len(changes) == 3
    for command in changes:
        assert command[:3] == ["pulumi", "config", "set"]
        assert command[5:] == ["--stack", "prod"]
        assert f"event-state:{command[3]}" in declared


def number(text: str) -> float:
    return float(text.removesuffix("%").replace(",", ""))
