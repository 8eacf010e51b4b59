"""docs/operations.md says when which outage rings: reckoned from the alarms and the retries."""

import re
from collections.abc import Mapping
from itertools import accumulate, product
from typing import Any, Final

import pytest

from function.queue import FIRST_SECONDS, LONGEST_SECONDS
from tests.infra.registered import Registered, registered
from tools.stacks import PROJECT

DOCS: Final = (PROJECT / "docs" / "operations.md").read_text("utf-8")
MODES: Final = {"retries off": {}, "retries on": {"managedRetries": "true"}}
HOURS: Final = 8
EVENTS_A_MINUTE: Final = 500  # of ids that always fail
Series = Mapping[int, float]
"""What a metric counted in a minute, by the minute."""


def _told() -> dict[tuple[str, str], tuple[str, ...]]:
    """Read the table: (outage, alarm) to when it rings without and with managed retries."""
    section = DOCS.split("\n## Which outage rings what, and when\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| \[([a-z-]+)\].*? \| (.+?) \| (.+?) \|$", section, re.M)
    return {(row[0], row[1]): row[2:] for row in rows}


def _program(mode: str) -> Registered:
    # The stack's own retries do not count here.
    return registered(**{"managedRetries": "false", **MODES[mode]})


def _rings(program: Registered, alarm: str, series: Series) -> int | None:
    """Return after how many minutes an alarm rings, as CloudWatch evaluates it."""
    inputs: Mapping[str, Any] = program.inputs(f"alarm-{alarm}")
    for minute in range(HOURS * 60):
        window = range(max(0, minute - inputs["evaluationPeriods"] + 1), minute + 1)
        above = [each for each in window if series.get(each, 0) >= inputs["threshold"]]
        if len(above) >= inputs["datapointsToAlarm"]:
            return minute + 1
    return None


def _pauses(program: Registered, *, share: float = 1, reported: bool = True) -> list[float]:
    """Return the seconds between one delivery and the next, until SQS moves the message.

    share: of a pause that the function sets, from 0.5 to 1; reported: whether it lives to set it.
    """
    queue = program.inputs("queue")
    deliveries = queue["redrivePolicy"]["maxReceiveCount"]
    if "QUEUE_URL" not in program.inputs("function")["environment"]["variables"] or not reported:
        return [queue["visibilityTimeoutSeconds"]] * deliveries
    return [share * min(FIRST_SECONDS * 2**n, LONGEST_SECONDS) for n in range(deliveries)]


def _dead(program: Registered, **how: Any) -> int | None:
    """Return after how many minutes dead-letters rings for a message that is never stored."""
    moved = int(sum(_pauses(program, **how)) // 60)
    return _rings(program, "dead-letters", dict.fromkeys(range(moved, HOURS * 60), 1))


ALL: Final[Series] = dict.fromkeys(range(HOURS * 60), 1)  # something in every minute
STEADY: Final[Mapping[str, Series]] = {
    "failed-messages": ALL,
    "rejected-messages": ALL,
    "table-throttles": ALL,
    "table-errors": ALL,
    "function-errors": ALL,
    "function-throttles": ALL,
    "function-duration": dict.fromkeys(ALL, 1e6),
    "oldest-message": {minute: 60.0 * minute for minute in ALL},
}


@pytest.mark.parametrize("mode", MODES)
def test_the_table_says_when_alarms_ring(mode: str) -> None:
    program, column = _program(mode), list(MODES).index(mode)
    told = {row: times[column] for row, times in _told().items()}
    managed = mode == "retries on"
    last = [_dead(program, share=share) for share in (0.5, 1)]
    hours = f"{(last[0] or 0) / 60:.1f} to {(last[1] or 0) / 60:.1f} hours"
    most = EVENTS_A_MINUTE * sum(_pauses(program)) / 60
    flying = {minute: min(EVENTS_A_MINUTE * (minute + 1), most) for minute in ALL}
    in_flight = _rings(program, "in-flight", flying)
    rung = {alarm: str(_rings(program, alarm, series)) for alarm, series in STEADY.items()}
    reckoned = {
        **{alarm: [when] for alarm, when in rung.items()},
        "failed-messages": [rung["failed-messages"], _quiet(program)],
        "dead-letters": [
            hours if managed else str(last[1]),
            str(_dead(program, reported=False)),
            "1" if managed else str(last[1]),
        ],
        "in-flight": [f"{in_flight / 60:.0f} hours" if in_flight else "never"],
        "dead-letters-expiring": ["7 days"],
    }
    assert reckoned == {
        alarm: [when for row, when in told.items() if row[1] == alarm] for alarm in reckoned
    }
    assert {row[1] for row in told} == reckoned.keys()


def _quiet(program: Registered) -> str:
    """Say when failed-messages rings for one event alone, whatever the pauses' chance."""
    shares = (0.5, 0.6, 0.7, 0.8, 0.9, 1)
    pauses = [
        [share * pause for share in shares]
        if "QUEUE_URL" in str(program.inputs("function"))
        else [pause]
        for pause in _pauses(program)[:4]
    ]
    times = {
        _rings(
            program,
            "failed-messages",
            {int(second // 60): 1 for second in accumulate([begin, *chosen])},
        )
        for begin in range(60)
        for chosen in product(*pauses)
    }
    return " to ".join(str(each) for each in sorted({min(times), max(times)}))  # type: ignore[type-var]
