"""The long proofs, short: each holds for the function as it is, and fails for a fault put into it.

`make prove` puts in each of the fault run's sabotages; here one stands for them all.
"""

import subprocess
import sys

import pytest

from tests.prove.__main__ import Options, main, prove
from tests.prove.checker import PROBLEMS
from tests.prove.outage import simulate
from tests.prove.proxy import FAULTS
from tools.stacks import PROJECT


def test_messages_survive_every_kind_of_fault() -> None:
    figures, faults, found = prove(Options(messages=1200, read=True), tell=lambda *_: None)
    assert [finding for finding in found if finding[0] in PROBLEMS] == []
    assert len(found) == figures["messages"] == 1200 <= figures["deliveries"]
    assert faults.keys() == FAULTS.keys()
    assert min(figures.values()) > 0


def test_it_fails_with_a_fault_in_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    sabotaged = ["--sabotage", "no-condition"]
    assert main(["--messages", "400", "--seed", "7", *sabotaged]) == 1
    shown = capsys.readouterr().out
    assert "The fault run, seed 7" in shown
    assert "\nlost: " in shown


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--invocations", "1500"], 0), (["--invocations", "800", "--leak", "file"], 1)],
    ids=["none", "a file"],
)
def test_a_leak_is_found_and_there_is_none(arguments: list[str], status: int) -> None:
    command = [sys.executable, "-m", "tests.prove.leaks", *arguments]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (status, ""), result.stdout
    assert result.stdout.startswith(f"{arguments[1]} invocations, memory ")


def test_managed_retries_outlast_two_hours_and_the_queue_alone_does_not() -> None:
    managed = simulate(managed=True, hours=2, a_minute=3)
    assert managed["dead"] == 0
    assert managed["series"][-1]["stored"] == managed["sent"] == 390
    assert 0 < managed["last_waited_minutes"] <= 15
    plain = simulate(managed=False, hours=2, a_minute=3)
    assert plain["dead"] > 300
    assert plain["dead"] + plain["series"][-1]["stored"] == plain["sent"]
