"""The model's arithmetic beside AWS's own published figures, the command, and its page."""

import json
import re
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from typer.testing import CliRunner

from tools import capacity
from tools.capacity import PRICES, QUOTAS, Load, estimate, messages_per_invocation
from tools.commands import app
from tools.console import short
from tools.stacks import PROJECT

PAGE = (PROJECT / "docs" / "scaling.md").read_text("utf-8")
TABLES = [
    [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
]
FULL = Load(rate=100_000)
LARGE = replace(FULL, batch_size=100, size_bytes=100 * 1024)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an invocation take 80 ms and all around it 20, so that the arithmetic is plain."""
    monkeypatch.setattr(capacity, "duration_ms", lambda *_: 80.0)
    monkeypatch.setattr(capacity, "POLL_MS", 20.0)


@pytest.mark.parametrize(
    ("load", "messages"),
    [
        # 100 ms a cycle: 100 events/s leave 2 for each of five pollers.
        (Load(rate=1), 1),
        (Load(rate=100), 2),
        (FULL, 10),
        (Load(rate=100, batch_size=1000, batch_window_seconds=10), 20 * 10.1),
        (LARGE, 61.44),
    ],
)
def test_a_batch_holds_what_comes_while_its_poller_is_busy(
    plain: None, load: Load, messages: float
) -> None:
    assert messages_per_invocation(load) == pytest.approx(messages)


def test_littles_law_gives_executions_pollers_and_messages_in_flight(plain: None) -> None:
    # "100 requests/second * 0.5 second/request = 50", lambda-concurrency.html
    found = estimate(FULL)
    assert (found["invocations"], found["concurrency"]) == (10_000, 800)
    assert [(name, of["used"]) for name, of in found["quotas"].items()] == [
        ("table_write_units", 100_000),
        ("lambda_concurrency", 1000),  # ten invocations/s for each
        ("mapping_concurrency", 1000),
        ("sqs_in_flight", 10_000),
        ("table_read_units", 0),
    ]


def _printed(*options: str) -> str:
    result = CliRunner().invoke(app, ["capacity", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "Missing option '--rate'"),
        (["--rate", "1", "--size", "401"], "'--size': Input should be less than or equal to 400"),
        (["--rate", "1", "--batch", "11"], "--batch above 10 needs a --window of at least 1"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options: list[str], words: str) -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["capacity", *options])
    assert result.exit_code == 2
    assert words in result.output


def test_every_row_of_the_page_is_what_its_options_give() -> None:
    rows = [(header, row) for header, _, *rows in TABLES for row in rows if "--rate" in row[0]]
    assert len(rows) == 10
    for header, (options, *cells) in rows:
        given: Any = json.loads(_printed(*options.strip("`").split(), "--json"))
        names = [name.split("`")[1].split(".") for name in header[1:]]
        found = [reduce(lambda part, key: part[key], name, given) for name in names]
        assert cells == [short(each) for each in found], options


def test_the_pages_prices_and_quotas_are_those_of_the_model() -> None:
    rows = [row[:2] for _, _, *rows in TABLES for row in rows]
    for name, price in PRICES.items():
        assert [f"`{name}`", f"{price}"] in rows
    for name, limit in QUOTAS.items():
        assert [f"`{name}`", f"{limit:,}"] in rows
    cpu = f"{capacity.CPU_MS_PER_INVOCATION} ms an invocation and {capacity.CPU_MS_PER_EVENT}"
    assert cpu in PAGE
