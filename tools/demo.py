"""`python -m tools demo`: real events through the real program, and every promise checked."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.console import make_table, mark
from tools.deployed import DeadLetter, Deployed, outcomes, wait_for
from tools.emulator import Emulator
from tools.event import is_same, to_json
from tools.groups import BROKEN, Event, Group, bursts, groups
from tools.stacks import load_stack
from tools.template import make_template
from tools.up import OUTPUTS_FILE, deploy

# What the demo is about, whatever `pulumi config set` has put into the stack's file.
PATTERN: Final = {"keyAttribute": "event_id", "versionAttribute": "timestamp"}
DRAIN_SECONDS: Final = 60.0
BODY_SHOWN: Final = 28


def demo(picture: Path | None = None) -> int:
    """Deploy the stack `local`, send it events, show what became of them; 1 if a promise broke."""
    console = Console(highlight=False, record=picture is not None)
    if picture or not console.is_terminal:
        console.width = 110
    started = time.monotonic()
    stack = load_stack("local").with_config(PATTERN)
    template = make_template(stack)
    sent = [*groups(), bursts()]
    first = [*(to_json(each) for group in sent for each in group.first), *BROKEN.values()]
    late = [to_json(each) for group in sent for each in group.late]
    with Emulator(region=stack.region) as aws:
        console.print(f"The embedded AWS (MiniStack, not AWS itself) listens on {aws.endpoint_url}")
        deployed = Deployed(deploy(aws, template))
        seconds = time.monotonic() - started
        made = f"{len(template.body['Resources'])} resources, {seconds:.1f} s after the start"
        console.print(f"Deployed stack local: {made}\n")
        sending = time.monotonic()
        for bodies, what in ((first, "events, some broken"), (late, "late or repeated ones")):
            with console.status(f"Sent {len(bodies)} {what}"):
                deployed.send(bodies)
                # If time is up first, the promises say what is missing.
                wait_for(lambda: not deployed.waiting(), DRAIN_SECONDS)
            console.print(f"Sent {len(bodies)} {what}")
        seconds = time.monotonic() - sending
        stored = {item["event_id"]: item for item in deployed.items()}
        dead = deployed.explained_letters()
        counts: Counter[str] = Counter()
        for line in deployed.log_lines():
            counts.update(outcomes(line))
    console.print("", _table(sent, stored), "", _letters(dead), "", sep="\n")
    promises = check(sent, stored, dead, counts)
    for promise, is_kept in promises.items():
        console.print(f"{mark(is_kept)} {promise}")
    names = ("Written", "Superseded", "Coalesced", "Rejected", "Failed")
    told = ", ".join(f"{counts[name]} {name.lower()}" for name in names)
    console.print(f"\nDeliveries: {told}; all in {seconds:.1f} s.")
    if picture:
        console.save_svg(str(picture), title="make demo")
    console.print("\nNow your own event. This keeps it running, and tells how to send one:\n")
    console.print(f"  .venv/bin/python -m tools up > {OUTPUTS_FILE}")
    return 0 if all(promises.values()) else 1


def _table(sent: Sequence[Group], stored: Mapping[str, Event]) -> Table:
    remains = "it is what must remain: the newest of what was sent, every member of it."
    table = make_table("The table", ("event_id", "sent", "stored", ""), f"{mark(True)} {remains}")
    for group in sent:
        items = [stored.get(each["event_id"]) for each in group.remains]
        more = f"{len(items)} items, the last " if len(items) > 1 else ""
        shows = f"{len(group.first) + len(group.late)}: {group.shows}"
        is_well = is_same(items, group.remains)
        table.add_row(group.name, shows, escape(more + to_json(items[-1])), mark(is_well))
    return table


def _letters(dead: Sequence[DeadLetter]) -> Table:
    reasons = {letter.body: letter.reason for letter in dead}
    aside = f"{mark(True)} it is in the dead-letter queue as it was sent, with the reason."
    table = make_table("The dead letters", ("sent", "body", "reason", ""), aside)
    for shows, body in BROKEN.items():
        short = body if len(body) <= BODY_SHOWN else body[: BODY_SHOWN - 1] + "…"
        reason = reasons.get(body, "")
        table.add_row(shows, escape(short), escape(reason), mark(reason))
    return table


def check(
    sent: Sequence[Group],
    stored: Mapping[str, Event],
    dead: Sequence[DeadLetter],
    counts: Mapping[str, int],
) -> dict[str, bool]:
    """Return each promise, and whether it is kept. stored: by id; counts: by outcome."""
    remains = {each["event_id"]: each for group in sent for each in group.remains}
    good = sum(len(group.first) + len(group.late) for group in sent)
    acknowledged = sum(counts[name] for name in ("Written", "Superseded", "Coalesced"))
    return {
        f"Each of the {len(remains)} ids has the newest of its events, and nothing else is in the "
        "table": is_same(stored, remains),
        f"Each of the {len(BROKEN)} broken messages is a dead letter as it was sent, and nothing "
        "else is": sorted(letter.body for letter in dead) == sorted(BROKEN.values()),
        "Each dead letter has its reason": all(letter.reason for letter in dead),
        f"Each of the {good} events was acknowledged as written, superseded or coalesced": (
            acknowledged >= good
        ),
        "Late events were superseded, and bursts coalesced": bool(
            counts["Superseded"] and counts["Coalesced"]
        ),
    }
