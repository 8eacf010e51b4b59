"""The fault run's parts, then the long proofs, short: each fails for a fault put into the function.

`make prove` puts in each of the fault run's sabotages; here one stands for them all.
"""

import json
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from tests.model import Policy, rank
from tests.prove.__main__ import Options, main, prove
from tests.prove.checker import PROBLEMS, Fate, account
from tests.prove.load import Message, messages
from tests.prove.outage import simulate
from tests.prove.proxy import FAULTS, PERIOD, STORM, schedule
from tools.event import decode
from tools.stacks import PROJECT

STORED, SUPERSEDED, UNSTORABLE, CONFLICT, GIVEN_UP, LOST, WRONG, UNEXPLAINED, VIOLATION = Fate


def _body(version: int, event_id: str = "a", **members: object) -> str:
    return json.dumps({"event_id": event_id, "timestamp": version, **members})


OLD, NEW, FLAG, OTHER = _body(1), _body(2), _body(1, flag=True), _body(1, "b")
ALMOST = '{"event_id": "a", "timestamp": 2.0000000000000000000001}'
BROKEN = "broken"  # no table could hold it
# What was sent, stored and dead, by its place among what was sent; and the fates.
Ends = list[tuple[list[str], list[str], list[tuple[int, str]], list[Fate]]]
NEWEST: Ends = [
    # All is well when the newest is stored and the broken one a dead letter.
    ([OLD, NEW, NEW, BROKEN], [NEW], [(3, BROKEN)], [STORED, STORED, SUPERSEDED, UNSTORABLE]),
    # A newer message that is a dead letter is given up; one that was stored as well is stored.
    ([OLD, NEW], [OLD], [(1, NEW)], [STORED, GIVEN_UP]),
    ([OLD, NEW], [NEW], [(1, NEW)], [STORED, SUPERSEDED]),
    # An older item is wrong, and the newer message lost; without an item all are.
    ([OLD, NEW], [OLD], [], [STORED, LOST, WRONG]),
    ([OLD, NEW], [], [], [LOST, LOST]),
    ([BROKEN], [], [], [LOST]),
    # An item that was never sent is wrong, and holds nothing: true is not 1.
    ([OLD, NEW], [_body(2, extra=True)], [], [LOST, LOST, WRONG]),
    ([OLD, NEW], ['{"event_id": "a"}'], [], [LOST, LOST, WRONG]),
    ([OLD, NEW], [ALMOST], [], [LOST, LOST, WRONG]),
    ([FLAG], [_body(1, flag=1)], [], [LOST, WRONG]),
    ([NEW], [NEW, OTHER], [], [STORED, UNEXPLAINED]),
    # A dead letter may come twice, but not altered, and none of nobody.
    ([BROKEN], [], [(0, BROKEN), (0, BROKEN)], [UNSTORABLE]),
    ([BROKEN], [], [(0, BROKEN), (0, "altered")], [UNSTORABLE, WRONG]),
    ([BROKEN], [], [(0, "altered")], [UNSTORABLE, WRONG]),
    ([BROKEN], [], [(0, BROKEN), (1, BROKEN)], [UNSTORABLE, UNEXPLAINED]),
]
# Another event of an id is a conflict only as a dead letter.
FIRST: Ends = [
    ([OLD, NEW, NEW], [NEW], [(0, OLD)], [STORED, STORED, CONFLICT]),
    ([OLD, NEW], [NEW], [], [STORED, LOST, WRONG]),
    ([OLD, NEW], [], [(0, OLD)], [GIVEN_UP, LOST]),
]


@pytest.mark.parametrize(("policy", "ends"), [("newest", NEWEST), ("first", FIRST)])
@pytest.mark.parametrize("left", [0, 3])
def test_each_message_has_one_fate_and_what_is_wrong_or_left_is_found(
    policy: Policy, ends: Ends, left: int
) -> None:
    for sent, items, dead, fates in ends:
        bodies = {str(n): Message(body, storable=body != BROKEN) for n, body in enumerate(sent)}
        letters = [(str(number), body) for number, body in dead]
        found = account(bodies, map(decode, items), letters, left, policy)
        assert Counter(fate for fate, _ in found) == Counter(fates + [UNEXPLAINED] * bool(left))


def test_messages_are_those_of_a_seed_repeated_late_broken_oversized_versioned_in_every_way() -> (
    None
):
    load = messages(5000, seed=4)
    assert load == messages(5000, seed=4) != messages(5000, seed=5)
    assert len(load) == 5000
    assert len({message.body for message in load}) < 0.9 * len(load)
    assert sum(not message.storable for message in load) > 50
    assert any(len(message.body) > 400 * 1024 for message in load)
    newest: dict[str, tuple[int, object]] = {}
    states: dict[tuple[object, ...], str] = {}
    late = 0
    for body in (message.body for message in load if message.storable):
        event = decode(body)
        event_id, version = event["event_id"], rank(event)
        # A version belongs to one state of an id.
        assert states.setdefault((event_id, *version), body) == body
        late += version < newest.get(event_id, version)
        newest[event_id] = max(version, newest.get(event_id, version))
    assert late > 500
    assert {kind for _, kind, _ in states} == {0, 1, 2}


def test_faults_are_those_of_a_seed_by_weight_each_kind_first_and_many_in_a_storm() -> None:
    first, again, other = ([*islice(schedule(seed), PERIOD)] for seed in (1, 1, 2))
    assert first == again != other
    met = [plan is not None for plan in first]
    assert sum(met[:STORM]) > 0.3 * STORM
    assert 0 < sum(met[STORM:]) < 0.1 * (PERIOD - STORM)
    for seed in range(20):
        plans = (plan for plan in schedule(seed) if plan)
        faults = [plan.fault for plan in islice(plans, sum(FAULTS.values()))]
        assert {*faults[: len(FAULTS)]} == {*FAULTS}
        assert Counter(faults) == FAULTS


def test_messages_survive_every_kind_of_fault() -> None:
    figures, faults, found = prove(Options(messages=1200, read=True), tell=lambda *_: None)
    assert [finding for finding in found if finding[0] in PROBLEMS] == []
    assert len(found) == figures["messages"] == 1200 <= figures["deliveries"]
    assert faults.keys() == FAULTS.keys()
    assert min(figures.values()) > 0


def test_it_fails_with_a_fault_in_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--messages", "400", "--seed", "7", "--sabotage", "no-condition"]) == 1
    shown = capsys.readouterr().out
    assert "The fault run, seed 7" in shown
    assert "\nlost: " in shown


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
@pytest.mark.parametrize(("leak", "status"), [((), 0), (("--leak", "file"), 1)])
def test_a_leak_is_found_and_there_is_none(leak: tuple[str, ...], status: int) -> None:
    command = [sys.executable, "-m", "tests.prove.leaks", "--invocations", "800", *leak]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (status, ""), result.stdout
    assert result.stdout.startswith("800 invocations, memory ")


def test_managed_retries_outlast_two_hours_and_the_queue_alone_does_not() -> None:
    managed = simulate(managed=True, hours=2, a_minute=3)
    assert managed["dead"] == 0
    assert managed["series"][-1]["stored"] == managed["sent"] == 390
    assert 0 < managed["last_waited_minutes"] <= 15
    plain = simulate(managed=False, hours=2, a_minute=3)
    assert plain["dead"] > 300
    assert plain["dead"] + plain["series"][-1]["stored"] == plain["sent"]
