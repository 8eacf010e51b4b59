"""docs/operations.md says when which outage rings: reckoned from the alarms and the retries."""

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate, product
from typing import Any, Final

import pytest

from function.queue import FIRST_SECONDS, LONGEST_SECONDS
from tests.infra.registered import registered
from tools.stacks import PROJECT

DOCS: Final = (PROJECT / "docs" / "operations.md").read_text("utf-8")
HOURS: Final = 8
EVENTS_A_MINUTE: Final = 500  # of ids that always fail
SHARES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1)  # of a pause, by chance
Series = Mapping[int, float]
"""What a metric counted in a minute, by the minute."""

ALL: Final[Series] = dict.fromkeys(range(HOURS * 60), 1)  # something in every minute
STEADY: Final[Mapping[str, Series]] = {
    "rejected-messages": ALL,
    "table-throttles": ALL,
    "table-errors": ALL,
    "function-errors": ALL,
    "function-throttles": ALL,
    "function-duration": dict.fromkeys(ALL, 1e6),
    "oldest-message": {minute: 60.0 * minute for minute in ALL},
}


def _rings(alarm: Mapping[str, Any], series: Series) -> int | None:
    """Return after how many minutes an alarm rings, as CloudWatch evaluates it."""
    for minute in ALL:
        window = range(max(0, minute - alarm["evaluationPeriods"] + 1), minute + 1)
        above = [each for each in window if series.get(each, 0) >= alarm["threshold"]]
        if len(above) >= alarm["datapointsToAlarm"]:
            return minute + 1
    return None


@pytest.mark.parametrize("managed", [False, True], ids=["retries off", "retries on"])
def test_the_table_says_when_alarms_ring(managed: bool) -> None:
    program = registered(managedRetries="true" if managed else "false")
    queue = program.inputs("queue")
    deliveries = queue["redrivePolicy"]["maxReceiveCount"]
    # The seconds between one delivery and the next, until SQS moves the message: those of the
    # queue, and the longest of the function, if it lives to set them.
    queues: list[float] = [queue["visibilityTimeoutSeconds"]] * deliveries
    functions: list[float] = [min(FIRST_SECONDS * 2**n, LONGEST_SECONDS) for n in range(deliveries)]
    longest, shares = (functions, SHARES) if managed else (queues, (1,))

    def rings(alarm: str, series: Series) -> int | None:
        return _rings(program.inputs(f"alarm-{alarm}"), series)

    def dead(pauses: Iterable[float]) -> int:
        """Say when dead-letters rings for a message that is never stored."""
        moved = int(sum(pauses) // 60)
        return rings("dead-letters", dict.fromkeys(range(moved, HOURS * 60), 1)) or 0

    alone = {
        rings("failed-messages", {int(second // 60): 1 for second in accumulate([begin, *pauses])})
        or 0
        for begin in range(60)
        for pauses in product(*([share * each for share in shares] for each in longest[:4]))
    }
    first, last = (dead(share * each for each in longest) for share in (shares[0], 1))
    most = EVENTS_A_MINUTE * sum(longest) / 60
    flying = {minute: min(EVENTS_A_MINUTE * (minute + 1), most) for minute in ALL}
    in_flight = rings("in-flight", flying)
    told: dict[str, list[str]] = {}
    section = DOCS.split("\n## Which outage rings what, and when\n")[1].split("\n## ")[0]
    for row in re.findall(r"^\| .+? \| \[([a-z-]+)\].*? \| (.+?) \| (.+?) \|$", section, re.M):
        told.setdefault(row[0], []).append(row[1 + managed])
    assert told == {
        **{alarm: [str(rings(alarm, series))] for alarm, series in STEADY.items()},
        "failed-messages": [
            str(rings("failed-messages", ALL)),
            " to ".join(str(each) for each in sorted({min(alone), max(alone)})),
        ],
        "dead-letters": [
            f"{first / 60:.1f} to {last / 60:.1f} hours" if managed else str(last),
            str(dead(queues)),
            "1" if managed else str(last),
        ],
        "in-flight": [f"{in_flight / 60:.0f} hours" if in_flight else "never"],
        "dead-letters-expiring": ["7 days"],
    }
