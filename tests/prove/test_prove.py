"""The fault run: it holds for the handler as it is, and fails for each fault put into it."""

from pathlib import Path

import pytest

from tests.prove.__main__ import main
from tests.prove.proxy import Fault
from tests.prove.run import prove
from tests.prove.sabotage import MET_BY, SABOTAGES, sabotage
from tools.stacks import PROJECT


def test_two_thousand_messages_survive_every_kind_of_fault() -> None:
    report = prove(2000, seed=1, tell=lambda *_: None)
    found = report.account
    assert (found.lost, found.wrong, found.unexplained, report.violations) == ([], [], [], [])
    assert report.holds
    assert report.sent == 2000
    assert found.stored + found.superseded + found.unstorable + found.given_up == 2000
    assert all(report.faults[fault] for fault in Fault)
    assert min(report.redeliveries, report.concurrent) > 0
    assert report.deliveries >= 2000


@pytest.mark.parametrize("fault", SABOTAGES)
def test_it_fails_with_a_fault_in_the_handler(
    fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    count = "800" if fault in MET_BY else "400"
    assert main(["--messages", count, "--seed", "7", "--fault", fault]) == 1
    shown = capsys.readouterr().out
    assert "The fault run, seed 7" in shown
    assert "\nlost: " in shown


def test_a_fault_for_other_sources_than_these_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/handler.py").write_text("return None")
    with pytest.raises(ValueError, match=r"handler\.py does not hold this once: return _upsert"):
        sabotage(tmp_path / "source", tmp_path / "target", "answer-nothing")


@pytest.mark.parametrize("fault", SABOTAGES)
def test_each_fault_fits_the_sources_as_they_are(tmp_path: Path, fault: str) -> None:
    sabotage(PROJECT / "function", tmp_path / "function", fault)
    for file in (tmp_path / "function").glob("*.py"):
        compile(file.read_text(), file.name, "exec")
