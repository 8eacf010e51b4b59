"""`python -m tests.prove`: tens of thousands of messages, faults of every kind, nothing lost."""

import json
import random
import sys
import tempfile
import time
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tests.model import Policy
from tools.console import make_table
from tools.deployed import Deployed, wait_for
from tools.emulator import Emulator
from tools.load import BATCH_MESSAGES
from tools.stacks import PROJECT, Stack, load_stack
from tools.template import Template, make_template, zip_of
from tools.up import deploy

from .checker import PROBLEMS, Fate, Finding, account
from .load import Message, messages
from .proxy import FAULTS, FUNCTION_SECONDS, Proxy, schedule
from .watched import SABOTAGES

# A long run needs many invocations at once, and enough deliveries that faults that pass do not end
# as dead letters; a short one starts fewer workers, and waits less for its broken messages.
LONG: Final = {"maximumConcurrency": 24, "maxReceiveCount": 8}
SHORT: Final = {"maximumConcurrency": 4, "maxReceiveCount": 3}
SHORT_MESSAGES: Final = 5000
# A quarter of what the program sets, so that messages come again while an invocation that has
# them may still run, and so that a run does not take an hour.
VISIBILITY_SECONDS: Final = 3
# Producers let no more messages than this wait: the embedded AWS walks through all of them for
# each batch, and faults end when the last one is sent.
BACKLOG: Final = 300
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is sent, how the function is deployed, and what goes wrong."""

    messages: int = 50_000
    seed: int = 1
    policy: Policy = "newest"
    read: bool = False
    managed: bool = True
    sabotage: str = ""  # a fault to put into the function
    often: str = ""  # a fault of the network's, more often than all others


# What these faults in the function are only, or mostly, seen with; few messages are letters.
SEEN_WITH: Final[Mapping[str, Mapping[str, Any]]] = {
    "any-length": {"often": "answer longer or shorter than announced, without the write"},
    "swallow-an-exception": {"often": "table answered 500 or 503"},
    "read-taken-for-a-write": {"read": True},
    "conflict-acknowledged": {"policy": "first"},
    "letter-before-it-is-confirmed": {"messages": 1600, "often": "connection cut before the write"},
}
# `--everything`: the fault run with each option, and then with each fault put into the function.
RUNS: Final[Sequence[Mapping[str, Any]]] = (
    {"messages": 50_000},
    {"messages": 20_000, "policy": "first"},
    {"messages": 20_000, "read": True},
    {"messages": 20_000, "managed": False},
    *({"messages": 800, **SEEN_WITH.get(name, {}), "sabotage": name} for name in SABOTAGES),
)


def prove(
    options: Options, tell: Callable[[str], None]
) -> tuple[dict[str, int], Counter[str], list[Finding]]:
    """Deploy, send while faults are injected, let the queue drain, and account for all.

    Returns what was sent, which faults were met, and what became of every message.
    """
    load = messages(options.messages, options.seed, versioned=options.policy == "newest")
    stack = load_stack("local")
    with tempfile.TemporaryDirectory() as folder, Emulator(region=stack.region) as aws:
        watched_file = Path(folder) / "watched"
        port = int(aws.endpoint_url.rpartition(":")[2])
        plans = schedule(options.seed, options.often)
        with Proxy(port, plans, Path(folder)) as proxy:
            variables = {
                "PROXY_URL": proxy.url,
                "AWS_CA_BUNDLE": f"{folder}/ca.pem",
                "WATCHED_FILE": str(watched_file),
                "SABOTAGE": options.sabotage,
            }
            flow = Deployed(deploy(aws, _template(stack, options, variables)))
            sent = _send(flow, load, tell)
            proxy.calm = True
            wait_for(lambda: not flow.waiting(), 120, POLL_SECONDS)
            letters = [(letter.message_id, letter.body) for letter in flow.dead_letters()]
            found = [*account(sent, flow.items(), letters, flow.waiting(), options.policy)]
        watched = [json.loads(line) for line in watched_file.read_text().splitlines()]
    received = [count for line in watched for count in line.get("received", [])]
    found += [(Fate.VIOLATION, str(line["violation"])) for line in watched if "violation" in line]
    figures = {
        "messages": len(sent),
        "distinct ids": len({json.loads(each.body)["event_id"] for each in load if each.storable}),
        "deliveries": len(received),
        "redeliveries": sum(count > 1 for count in received),
        "writes tried": len(proxy.plans),
        "writes of one id at once": proxy.concurrent,
    }
    return figures, proxy.faults, found


def _template(stack: Stack, options: Options, variables: Mapping[str, str]) -> Template:
    """Write the stack's template with the function watched, and the run's changes."""
    config = {
        "functionTimeoutSeconds": FUNCTION_SECONDS,
        "versionAttribute": "timestamp" if options.policy == "newest" else "",
        "appendOnly": options.policy == "first",
        "readBeforeWrite": options.read,
        "managedRetries": options.managed,
        **(SHORT if options.messages <= SHORT_MESSAGES else LONG),
    }
    body = make_template(stack.with_config(config)).body
    function, queue = (
        body["Resources"][f"EventState{name}"]["Properties"] for name in ("Function", "Queue")
    )
    queue["VisibilityTimeout"] = VISIBILITY_SECONDS
    function["Handler"] = "tests/prove/watched.handler"
    function["Environment"]["Variables"] |= variables
    watch = [PROJECT / "tests" / name for name in ("function/batches.py", "prove/watched.py")]
    files = [*watch, *(PROJECT / "function").glob("*.py")]
    code = zip_of({str(file.relative_to(PROJECT)): file for file in files})
    return Template(body=body, code=code)


def _send(flow: Deployed, load: list[Message], tell: Callable[[str], None]) -> dict[str, Message]:
    """Send the messages, several requests at once; return them by message id."""
    sent: dict[str, Message] = {}
    while left := load[len(sent) :]:
        room = max(0, BACKLOG - flow.waiting(in_flight=False)) // BATCH_MESSAGES * BATCH_MESSAGES
        ids = flow.send(message.body for message in left[:room])
        sent.update(zip(ids, left, strict=False))
        tell(f"{len(sent)} of them are sent, with faults")
        time.sleep(POLL_SECONDS)
    return sent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once, print one table; return 1 if anything was lost, wrong or unexplained."""
    parser = ArgumentParser(
        prog="python -m tests.prove",
        description="Deploys the program to the embedded AWS, sends messages while writes and "
        "invocations fail, and then accounts for every message. Exit status 1 if one is lost.",
        argument_default=SUPPRESS,  # but those of Options
    )
    add, default = parser.add_argument, Options()
    add("--messages", type=int, help=f"how many ({default.messages})")
    add("--seed", type=int, help="what decides messages and faults (a new one each time)")
    add("--policy", choices=("newest", "first"), help=f"({default.policy})")
    add("--read", action="store_true", help="with readBeforeWrite")
    add("--managed", action=BooleanOptionalAction, help=f"with managedRetries ({default.managed})")
    add("--sabotage", choices=SABOTAGES, help="a fault to put into the function, to see it caught")
    add("--everything", action="store_true", help="each policy and option, and each sabotage")
    given = vars(parser.parse_args(arguments))
    if not given.pop("everything", False):
        return int(not _holds(**{**SEEN_WITH.get(given.get("sabotage", ""), {}), **given}))
    # A sabotaged one must not hold.
    broken = [str(run) for run in RUNS if _holds(**run) == ("sabotage" in run)]
    sys.stdout.write("\n".join(broken or ["All runs held, and each fault was found."]) + "\n")
    return int(bool(broken))


def _holds(**given: Any) -> bool:
    """Run once with these options, show what came of it, and tell whether nothing is wrong."""
    options = Options(**{"seed": random.randrange(1_000_000), **given})
    started = time.monotonic()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    console.print(f"{options.messages} messages, seed {options.seed}")
    with console.status("deploying") as status:
        figures, faults, found = prove(options, status.update)
    counts = Counter(fate for fate, _ in found)
    table = make_table(f"The fault run, seed {options.seed}", ("", "count"))
    table.columns[1].justify = "right"
    for section in (
        figures,
        {**{fault: faults[fault] for fault in FAULTS}, "faults in all": faults.total()},
        {fate: counts[fate] for fate in Fate if fate not in PROBLEMS},
        {fate: counts[fate] for fate in PROBLEMS},
        {"seconds": round(time.monotonic() - started)},
    ):
        for name, value in section.items():
            table.add_row(name, f"{value:,}")
        table.add_section()
    console.print(table)
    for problem in PROBLEMS:
        examples = [text for fate, text in found if fate is problem]
        for text in examples[:5]:
            console.print(f"{problem}: {text:.100}", markup=False)
    return not any(counts[problem] for problem in PROBLEMS)


if __name__ == "__main__":
    sys.exit(main())
