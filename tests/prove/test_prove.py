"""The fault run: it holds for the function as it is, and fails for a fault put into it.

`make prove` puts in each of the faults; here one stands for them all.
"""

import pytest

from tests.prove.__main__ import main
from tests.prove.proxy import Fault
from tests.prove.run import Options, prove

MESSAGES = 1_200


def test_messages_survive_every_kind_of_fault() -> None:
    report = prove(Options(messages=MESSAGES, read=True), tell=lambda *_: None)
    found = report.account
    assert (found.lost, found.wrong, found.unexplained, report.violations) == ([], [], [], [])
    assert report.holds
    assert report.sent == MESSAGES
    assert found.stored + found.superseded + found.unstorable + found.given_up == MESSAGES
    assert all(report.faults[fault] for fault in Fault)
    assert min(report.redeliveries, report.concurrent) > 0
    assert report.deliveries >= MESSAGES


def test_it_fails_with_a_fault_in_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    sabotaged = ["--sabotage", "acknowledge-before-write"]
    assert main(["--messages", "400", "--seed", "7", *sabotaged]) == 1
    shown = capsys.readouterr().out
    assert "The fault run, seed 7" in shown
    assert "\nlost: " in shown
