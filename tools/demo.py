"""`python -m tools demo`: real events through the real program, and every promise checked."""

import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.dead_letters import with_reasons
from tools.deployed import Deployed, outcomes, wait_for
from tools.deployer import Deployer
from tools.emulator import Emulator
from tools.event import decode
from tools.load.message import to_json
from tools.program import run, uninterrupted
from tools.stacks import load_stack
from tools.up import EXAMPLE, OUTPUTS_FILE, commands_to_try

DRAIN_SECONDS: Final = 60.0
VERSION: Final = "timestamp"
# Where the closing words let `up` listen.
OWN_PORT: Final = 4566
_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)")

Item = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Message:
    """A body to send, what it shows, and the row of the table that it belongs to."""

    group: str
    shows: str
    body: str

    @property
    def item(self) -> Item:
        """The event as DynamoDB should hand it back: numbers as Decimal."""
        item: Item = decode(self.body)
        return item


def demo(picture: Path | None = None) -> int:
    """Deploy the stack `local`, send it events, show what became of them; 1 if a promise broke.

    picture: a file to draw the terminal's text into, as SVG.
    """
    console = Console(highlight=False, record=picture is not None)
    if picture or not console.is_terminal:
        console.width = 120
    started = time.monotonic()
    stack = load_stack("local")
    with Emulator(region=stack.region) as aws:
        console.print(f"The embedded AWS (MiniStack, not AWS itself) listens on {aws.endpoint_url}")
        with uninterrupted():
            deployed = run(stack, Deployer(aws, stack))
        console.print(
            f"Deployed stack local: {len(deployed.resources)} resources, "
            f"{time.monotonic() - started:.1f} s after the start\n"
        )
        flow = Deployed(deployed.outputs)
        first, late, broken = list(first_messages()), list(late_messages()), list(broken_messages())
        good = first + late

        sending = time.monotonic()
        flow.send(message.body for message in first + broken)
        what = f"{len(first)} events and {len(broken)} broken messages"
        stored_after = _drain(console, flow, what, broken=len(broken))
        flow.send(message.body for message in late)
        _drain(console, flow, f"{len(late)} late or repeated events", broken=0)
        seconds = time.monotonic() - sending

        stored = {item["event_id"]: item for item in flow.items()}
        dead, counts = _reasons(flow), _counts(flow)
        console.print(_table_of_items(good, stored))
        console.print(_table_of_dead_letters(broken, dead))
        kept = _show_promises(console, good, broken, stored, dead, counts)
        console.print(
            f"\n{sum(counts.values())} deliveries of {len(good) + len(broken)} messages: "
            + ", ".join(f"{count} {name}" for name, count in counts.items())
            + f".\nThe first {len(first)} events were done after {stored_after:.1f} s, the broken "
            f"messages given up after their last delivery, everything after {seconds:.1f} s."
        )
    if picture:
        console.save_svg(str(picture), title="make demo")
    _invite(console, {**deployed.outputs, "region": stack.region})
    return 0 if kept else 1


def first_messages() -> Iterator[Message]:
    """Yield the events that are sent first, in the order they are sent."""
    group = "evt-1001"
    yield Message(group=group, shows="the pattern's own example", body=EXAMPLE)
    for minute, status in ((5, "suspended"), (9, "closed"), (7, "active")):
        yield _event(group, f"update, {status}", status=status, version=f"01:0{minute}:00Z")

    group = "order-7"
    for fraction in (".51", ".5", "", ".509999999", ".511"):
        shows = f"00{fraction}Z"
        yield _event(group, shows, note=fraction, version=f"01:00:00{fraction}Z")

    group = "sensor-東京-\N{SATELLITE ANTENNA}"
    for second in (2, 1):
        yield _event(
            group,
            "nested objects, unicode",
            version=f"02:00:0{second}+00:00",
            reading={"温度": 21.5, "tags": ["naïve", "\N{GREEK SMALL LETTER OMEGA}", None, {}]},
            enabled=True,
        )

    yield Message(
        group="ledger-1",
        shows="big and precise numbers",
        body='{"event_id":"ledger-1","timestamp":"2025-03-30T01:00:00Z",'
        '"balance":12345678901234567890123456789012345678,"rate":0.1,"tiny":-1.5E-130,'
        '"avogadro":6.02214076E+23,"cents":-0.000000000000000000000000000000000001}',
    )
    group = "counter-9"
    for number in (9, 10, 2):
        yield _event(group, f"version {number}", count=number, timestamp=number)
    yield _event("profile-1", "no version at all", name="Ada")

    # What debouncing is for.
    burst = [
        _event(
            f"cart-{cart}",
            "a shuffled burst of states 0-19 for each",
            group="cart-0 … cart-9",
            items=second,
            version=f"03:00:{second:02}Z",
        )
        for cart in range(10)
        for second in range(20)
    ]
    random.Random(1).shuffle(burst)  # noqa: S311 (a shuffle that is the same each time)
    yield from burst


def late_messages() -> Iterator[Message]:
    """Yield what comes when all else is stored: repeated, out of date, and a few newer ones."""
    yield Message(group="evt-1001", shows="the first one again", body=EXAMPLE)
    yield _event("evt-1001", "the newest again", status="closed", version="01:09:00Z")
    yield _event("evt-1001", "older than all", status="new", version="00:59:59.999Z")
    yield _event("order-7", "late", note="late", version="01:00:00.5100Z")
    yield _event("profile-1", "now with a version", name="Ada L.", version="04:00:00Z")
    for number in (3, 11):
        yield _event("counter-9", f"version {number}", count=number, timestamp=number)


def broken_messages() -> Iterator[Message]:
    """Yield messages that hold no event that DynamoDB could store."""
    bodies = {
        "not JSON": "event_id=evt-1001",
        "no object": '["evt-1001"]',
        "no event_id": '{"status":"active"}',
        "empty event_id": '{"event_id":""}',
        "event_id is a number": '{"event_id":1001}',
        "event_id of 2049 bytes": json.dumps({"event_id": "x" * 2049}),
        "NaN": '{"event_id":"broken","value":NaN}',
        "39 digits": '{"event_id":"broken","value":123456789012345678901234567890123456789}',
        "a member twice": '{"event_id":"broken","status":"a","status":"b"}',
        "version in local time": '{"event_id":"broken","timestamp":"2025-03-30 01:00"}',
        "item over 400 KB": json.dumps({"event_id": "broken", "blob": "x" * 450_000}),
    }
    for shows, body in bodies.items():
        yield Message(group="broken", shows=shows, body=body)


def rank(event: Mapping[str, Any], attribute: str) -> tuple[int, Any, Decimal]:
    """Return a key that is larger the newer an event is: no version, numbers, instants.

    event: numbers as Decimal; attribute: the member that holds the version.

    Raises ValueError if the member holds no version.
    """
    if attribute not in event:
        return 0, 0, Decimal(0)
    version = event[attribute]
    if isinstance(version, Decimal):
        return 1, version, Decimal(0)
    if not isinstance(version, str) or not (match := _TIMESTAMP.fullmatch(version)):
        raise ValueError(f"{version!r} is no version")
    return 2, match[1], Decimal(f"0.{match[2] or 0}")


def newest(messages: Iterable[Message]) -> dict[str, Item]:
    """Return the event of each id that must be in the table: a model apart from the handler's."""
    winners: dict[str, Item] = {}
    for message in messages:
        event_id = message.item["event_id"]
        winner = winners.get(event_id)
        if winner is None or rank(message.item, VERSION) >= rank(winner, VERSION):
            winners[event_id] = message.item
    return winners


def _drain(console: Console, flow: Deployed, what: str, *, broken: int) -> float:
    """Wait until the queue is empty; return the seconds until only broken ones were in it."""
    started, stored_after = time.monotonic(), 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        total = flow.waiting()
        task = progress.add_task(f"Sent {what}", total=total, left="")
        if not console.is_terminal:
            console.print(f"Sent {what}; waiting until the queue is empty")

        def is_empty() -> bool:
            nonlocal stored_after
            left = flow.waiting()
            if left > broken:
                stored_after = time.monotonic() - started
            hint = ", the broken ones, for another delivery" if 0 < left <= broken else ""
            progress.update(task, completed=total - left, left=f"{left} in the queue{hint}")
            return not left

        wait_for(is_empty, DRAIN_SECONDS)  # if they time out, the promises say what is missing
    return stored_after


def _reasons(flow: Deployed) -> list[tuple[str, str]]:
    """Return each dead letter's body, and the last reason that the function logged for it."""
    return [(each.body, each.reason) for each in with_reasons(flow)]


def _counts(flow: Deployed) -> dict[str, int]:
    """Return how often each outcome was counted, redeliveries included."""
    counts: Counter[str] = Counter()
    for line in flow.log_lines():
        counts.update(outcomes(line))
    return {name.lower(): count for name, count in counts.items()}


def _plain_table(title: str, *columns: str) -> Table:
    """Make a table without upright lines: in a picture they would need one certain font."""
    return Table(*columns, title=title, title_justify="left", box=box.SIMPLE)


def _table_of_items(good: list[Message], stored: Mapping[str, Item]) -> Table:
    table = _plain_table("The table", "event_id", "sent", "stored", "")
    expected = newest(good)
    groups: dict[str, list[Message]] = {}
    for message in good:
        groups.setdefault(message.group, []).append(message)
    for group, messages in groups.items():
        ids = list(dict.fromkeys(message.item["event_id"] for message in messages))
        item = _as_text(stored[ids[-1]]) if ids[-1] in stored else "nothing"
        table.add_row(
            escape(group),
            escape(f"{len(messages)}: " + ", ".join(dict.fromkeys(m.shows for m in messages))),
            escape(item if len(ids) == 1 else f"{len(ids)} items, each with {item}"),
            _mark(all(stored.get(event_id) == expected[event_id] for event_id in ids)),
        )
    return table


def _table_of_dead_letters(broken: list[Message], dead: list[tuple[str, str]]) -> Table:
    table = _plain_table("The dead letters", "sent", "body", "reason, from the log", "")
    reasons = dict(dead)
    for message in broken:
        reason = reasons.get(message.body, "")
        table.add_row(
            escape(message.shows), escape(_short(message.body, 32)), escape(reason), _mark(reason)
        )
    return table


def _show_promises(
    console: Console,
    good: list[Message],
    broken: list[Message],
    stored: Mapping[str, Item],
    dead: list[tuple[str, str]],
    counts: Mapping[str, int],
) -> bool:
    acknowledged = sum(counts.get(name, 0) for name in ("written", "superseded", "coalesced"))
    promises = {
        f"Each of the {len(newest(good))} ids has the newest of its events, and nothing else is "
        "in the table": stored == newest(good),
        f"Each of the {len(broken)} broken messages is a dead letter as it was sent, and nothing "
        "else is": Counter(body for body, _ in dead) == Counter(m.body for m in broken),
        "The log gives a reason for each dead letter": all(reason for _, reason in dead),
        f"Each of the {len(good)} events was acknowledged as written, superseded or coalesced": (
            acknowledged >= len(good)
        ),
        "Late events were superseded, and bursts coalesced": all(
            counts.get(name) for name in ("superseded", "coalesced")
        ),
    }
    for promise, kept in promises.items():
        console.print(f"{_mark(kept)} {promise}")
    return all(promises.values())


def _invite(console: Console, outputs: Mapping[str, Any]) -> None:
    host = f"127.0.0.1:{OWN_PORT}"
    ready = {
        **outputs,
        "endpointUrl": f"http://{host}",
        "queueUrl": urlsplit(outputs["queueUrl"])._replace(netloc=host).geturl(),
    }
    console.print(
        "\nNow your own event. In one terminal:\n\n"
        f"  .venv/bin/python -m tools up --port {OWN_PORT} > {OUTPUTS_FILE}\n\n"
        f"In another:\n\n{escape(commands_to_try(ready))}",
        soft_wrap=True,
    )


def _event(
    event_id: str, shows: str, *, group: str = "", version: str | None = None, **members: Any
) -> Message:
    event = {"event_id": event_id, **members}
    if version:
        event["timestamp"] = f"2025-03-30T{version}"
    body = json.dumps(event, ensure_ascii=False)
    return Message(group=group or event_id, shows=shows, body=body)


def _as_text(item: Item) -> str:
    rest = {name: value for name, value in item.items() if name != "event_id"}
    return to_json(rest)


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _mark(kept: object) -> str:
    return "[green]✓[/]" if kept else "[red]✗[/]"
