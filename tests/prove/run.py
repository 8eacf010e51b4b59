"""One run: deploy, send while faults are injected, let the queue drain, account."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.model import Policy
from tools.deployed import Deployed, wait_for
from tools.emulator import Emulator
from tools.load import BATCH_MESSAGES
from tools.stacks import PROJECT, Stack, load_stack
from tools.template import Template, make_template, zip_of
from tools.up import deploy

from .checker import PROBLEMS, Fate, Finding, account
from .load import Message, messages
from .proxy import Proxy, schedule

FUNCTION_SECONDS: Final = 2
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
DRAIN_SECONDS: Final = 120.0
# What these faults in the function are only, or mostly, seen by.
MET_BY: Final = {
    "letter-before-it-is-confirmed": "connection cut before the write",
    "any-length": "answer longer or shorter than announced, without the write",
    "swallow-an-exception": "table answered 500 or 503",
}


@dataclass(kw_only=True)
class Options:
    """What is sent, and how the function is deployed."""

    messages: int = 50_000
    seed: int = 1
    policy: Policy = "newest"
    read: bool = False
    managed: bool = True
    sabotage: str = ""
    """The name of a fault to put into the function."""

    def stack(self) -> Stack:
        """Return the stack `local`, changed for the run."""
        is_newest = self.policy == "newest"
        return load_stack("local").with_config(
            {
                "functionTimeoutSeconds": FUNCTION_SECONDS,
                "versionAttribute": "timestamp" if is_newest else "",
                "appendOnly": not is_newest,
                "readBeforeWrite": self.read,
                "managedRetries": self.managed,
                **(SHORT if self.messages <= SHORT_MESSAGES else LONG),
            }
        )


@dataclass(frozen=True)
class Report:
    """What was sent, what was done to it, and what became of it."""

    figures: Mapping[str, int]
    faults: Counter[str]
    found: Sequence[Finding]

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, wrong or unexplained, and every answer kept AWS's contract."""
        return not any(fate in PROBLEMS for fate, _ in self.found)


def prove(options: Options, tell: Callable[[str], None]) -> Report:
    """Run once, and report."""
    load = messages(options.messages, options.seed, versioned=options.policy == "newest")
    plans, stack = schedule(options.seed, MET_BY.get(options.sabotage, "")), options.stack()
    with tempfile.TemporaryDirectory() as folder, Emulator(region=stack.region) as aws:
        watched_file = Path(folder) / "watched"
        port = int(aws.endpoint_url.rpartition(":")[2])
        with Proxy(port, plans, FUNCTION_SECONDS, Path(folder)) as proxy:
            variables = {
                "AWS_ENDPOINT_URL_DYNAMODB": proxy.url,
                "AWS_CA_BUNDLE": f"{folder}/ca.pem",
                "WATCHED_FILE": str(watched_file),
                "SABOTAGE": options.sabotage,
            }
            flow = Deployed(deploy(aws, _template(stack, variables)))
            sent = _send(flow, load, tell)
            proxy.calm = True
            wait_for(lambda: not flow.waiting(), DRAIN_SECONDS, POLL_SECONDS)
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
    return Report(figures, proxy.faults, found)


def _template(stack: Stack, variables: Mapping[str, str]) -> Template:
    """Write the stack's template with the function watched, and the run's changes."""
    body = make_template(stack).body
    function, queue = (
        body["Resources"][f"EventState{name}"]["Properties"] for name in ("Function", "Queue")
    )
    queue["VisibilityTimeout"] = VISIBILITY_SECONDS
    function["Handler"] = "watched.handler"
    function["Environment"]["Variables"] |= variables
    beside = ("function/batches.py", "prove/sabotage.py", "prove/watched.py")
    files = {f"function/{path.name}": path for path in (PROJECT / "function").glob("*.py")}
    files |= {path.name: path for path in (PROJECT / "tests" / name for name in beside)}
    return Template(body=body, code=zip_of(files))


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
