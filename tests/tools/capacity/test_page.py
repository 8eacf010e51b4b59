"""docs/scaling.md says what the model says."""

import json
import re
from functools import reduce
from typing import Any

import pytest

from tools.capacity import check, handler, measure
from tools.capacity.__main__ import main
from tools.capacity.aws import QUOTAS
from tools.capacity.model import Setup, handler_ms
from tools.capacity.report import short
from tools.stacks import PROJECT

PAGE = (PROJECT / "docs" / "scaling.md").read_text("utf-8")
TABLES = [
    [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
]


def test_every_row_of_options_is_what_they_give(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(header, row) for header, _, *rows in TABLES for row in rows if "--rate" in row[0]]
    assert len(rows) > 20
    for header, (options, *cells) in rows:
        main([*options.strip("`").split(), "--json"])
        given: Any = json.loads(capsys.readouterr().out)
        names = [name.split("`")[1].split(".") for name in header[1:]]
        found = [reduce(lambda part, key: part[key], name, given) for name in names]
        assert cells == [f"`{each}`" if isinstance(each, str) else short(each) for each in found]


def test_the_inputs_quotas_checks_and_commands_are_those_of_the_code() -> None:
    cpu = (handler.CPU_MS_PER_INVOCATION, handler.CPU_MS_PER_MESSAGE, handler.CPU_MS_PER_WRITE)
    assert "{} ms an invocation, {} a message, {} a write".format(*cpu) in PAGE
    for quota in QUOTAS.values():
        assert f"({quota.source}) | {quota.limit:,} " in PAGE
    checks = next(rows for header, _, *rows in TABLES if header[0] == "batchSize")
    cases = [(c.batch, c.concurrency, c.repeat, c.rate, c.writes) for c in check.CASES]
    shown = [[float(cell) for cell in (*row[:4], row[5])] for row in checks]
    assert shown == [pytest.approx(case, abs=0.05) for case in cases]
    times = next(rows for header, _, *rows in TABLES if header[0] == "MB")
    modelled = [(mb, n, handler_ms(Setup(memory_mb=mb), n, n)) for mb, n in measure.TIMES]
    assert [row[:3] for row in times] == [[f"{mb}", f"{n}", f"{ms:.1f}"] for mb, n, ms in modelled]
    for options in re.findall(r"^python -m tools.capacity (--.+)$", PAGE, re.MULTILINE):
        assert main(options.split()) == 0
