"""`python -m tools demo`: real events through the real program, and every promise checked."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from tools.console import make_table, mark
from tools.dead_letters import with_reasons
from tools.demo_events import BROKEN, Group, Item, groups
from tools.deployed import DeadLetter, Deployed, outcomes, wait_for
from tools.emulator import Emulator
from tools.event import is_same, to_json
from tools.stacks import load_stack
from tools.template import make_template
from tools.up import OUTPUTS_FILE, deploy

# What the demo is about, whatever `pulumi config set` has put into the stack's file.
PATTERN: Final = {"keyAttribute": "event_id", "versionAttribute": "timestamp"}
DRAIN_SECONDS: Final = 60.0
BODY_SHOWN: Final = 28


def demo(picture: Path | None = None) -> int:
    """Deploy the stack `local`, send it events, show what became of them; 1 if a promise broke.

    picture: a file to draw the terminal's text into, as SVG.
    """
    console = Console(highlight=False, record=picture is not None)
    if picture or not console.is_terminal:
        console.width = 110
    started = time.monotonic()
    stack = load_stack("local").with_config(PATTERN)
    template = make_template(stack)
    with Emulator(region=stack.region) as aws:
        console.print(f"The embedded AWS (MiniStack, not AWS itself) listens on {aws.endpoint_url}")
        outputs = deploy(aws, template)
        console.print(
            f"Deployed stack local: {len(template.body['Resources'])} resources, "
            f"{time.monotonic() - started:.1f} s after the start\n"
        )
        deployed, sent = Deployed(outputs), groups()
        first = [body for group in sent for body in group.first]
        late = [body for group in sent for body in group.late]

        sending = time.monotonic()
        deployed.send([*first, *BROKEN.values()])
        _drain(console, deployed, f"{len(first)} events and {len(BROKEN)} broken messages")
        deployed.send(late)
        _drain(console, deployed, f"{len(late)} late or repeated events")
        seconds = time.monotonic() - sending

        stored = {item["event_id"]: item for item in deployed.items()}
        dead = with_reasons(deployed)
        counts: Counter[str] = Counter()
        for line in deployed.log_lines():
            counts.update(outcomes(line))
    _show(console, sent, stored, dead)
    promises = check(sent, stored, dead, counts)
    for promise, is_kept in promises.items():
        console.print(f"{mark(is_kept)} {promise}")
    names = ("Written", "Superseded", "Coalesced", "Rejected", "Failed")
    console.print(
        f"\n{sum(counts[name] for name in names)} deliveries of "
        f"{len(first + late) + len(BROKEN)} messages: "
        + ", ".join(f"{counts[name]} {name.lower()}" for name in names)
        + f".\nAll of it took {seconds:.1f} s."
    )
    if picture:
        console.save_svg(str(picture), title="make demo")
    console.print(
        "\nNow your own event. This keeps a deployment running, and says how to send one:\n\n"
        f"  .venv/bin/python -m tools up > {OUTPUTS_FILE}"
    )
    return 0 if all(promises.values()) else 1


def _drain(console: Console, deployed: Deployed, what: str) -> None:
    """Wait until the queue is empty; if time is up first, the promises say what is missing."""
    with console.status(f"Sent {what}"):
        wait_for(lambda: not deployed.waiting(), DRAIN_SECONDS)
    console.print(f"Sent {what}")


def _show(
    console: Console,
    sent: Sequence[Group],
    stored: Mapping[str, Item],
    dead: Sequence[DeadLetter],
) -> None:
    remains = "it is what must remain: the newest of what was sent, every member of it."
    table = make_table("The table", ("event_id", "sent", "stored", ""), f"{mark(True)} {remains}")
    for group in sent:
        item = stored.get(list(group.items)[-1])
        shown = to_json(item) if item else "nothing"
        count = len(group.items)
        table.add_row(
            group.name,
            f"{len(group.first) + len(group.late)}: {group.shows}",
            escape(shown if count == 1 else f"{count} items, the last {shown}"),
            mark(all(is_same(stored.get(key), item) for key, item in group.items.items())),
        )
    reasons = {letter.body: letter.reason for letter in dead}
    aside = "it is in the dead-letter queue as it was sent, with the reason."
    letters = make_table(
        "The dead letters", ("sent", "body", "reason", ""), f"{mark(True)} {aside}"
    )
    for shows, body in BROKEN.items():
        short = body if len(body) <= BODY_SHOWN else body[: BODY_SHOWN - 1] + "…"
        reason = reasons.get(body, "")
        letters.add_row(shows, escape(short), escape(reason), mark(reason))
    console.print(table, "", letters, "", sep="\n")


def check(
    sent: Sequence[Group],
    stored: Mapping[str, Item],
    dead: Sequence[DeadLetter],
    counts: Mapping[str, int],
) -> dict[str, bool]:
    """Return each promise, and whether it is kept.

    stored: the items by id. counts: the messages by outcome.
    """
    remains = {key: item for group in sent for key, item in group.items.items()}
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
        "Late events were superseded, and bursts coalesced": all(
            counts[name] for name in ("Superseded", "Coalesced")
        ),
    }
