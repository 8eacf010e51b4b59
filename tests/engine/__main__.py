"""`python -m tests.engine`: what the docs say of `pulumi up`, seen to happen under the engine."""

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from botocore.exceptions import ClientError
from rich.console import Console

from tools.deployed import Deployed, wait_for
from tools.errors import ToolError
from tools.preview import preview
from tools.stacks import load_stack

from . import package
from .driver import STACK, Engine, Step, engine

EVENT: Final = (
    '{"event_id":"evt-1001","user_id":42,"status":"active","timestamp":"2025-03-30T01:00:00Z"}'
)
SECONDS: Final = 60.0
EVERY_SECONDS: Final = 0.1
NO_CHANGE: Final[Mapping[str, str]] = {}
TRIED: Final = 5


class Proof:
    """Each public method is a step, in this order: says what it did, and what was not promised."""

    def __init__(self, under: Engine, console: Console) -> None:
        self._under, self._say = under, console.print
        self.broken: list[str] = []

    def deploys_what_the_preview_shows(self) -> None:
        """Make each resource that the program registers with mocks, and no other."""
        step = self._up("up")
        registered = sorted(each.name for each in preview(load_stack(STACK)).resources)
        done = sorted((each.operation, each.resource) for each in step.changes)
        self._expect(done == [("create", name) for name in registered], f"done: {done}")

    def stores_an_event(self) -> None:
        """Store a message as the item of its event_id."""
        began, flow = time.monotonic(), self._under.flow()
        flow.send([EVENT])
        item = wait_for(lambda: flow.item("evt-1001"), SECONDS)
        self._say(f"event: {time.monotonic() - began:.1f} s, {item}")
        self._expect(item == json.loads(EVENT), "the item is not the event")

    def changes_nothing_again(self) -> None:
        """Find nothing to do in a second `up` and a refresh, but what MiniStack forgets."""
        self._unchanged(self._up("up again"))
        self._unchanged(self._show("refresh", self._under.take(self._under.stack.refresh)))

    def changes_a_batch_size_in_place(self) -> None:
        """Update the mapping and nothing else."""
        changes = self._up("batchSize", {"batchSize": "5"}).changes
        found = [(each.operation, "batchSize" in each.properties) for each in changes]
        self._expect(found == [("update", True)], f"changed: {changes}")

    def loses_nothing_to_a_taken_table_name(self) -> None:
        """Leave the table and what is in it; find nothing to do on the way back."""
        self._under.aws.client("dynamodb").create_table(
            TableName="taken",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
        )
        self._refused("tableName", str(self._under.flow().outputs["tableName"]), "taken")

    def loses_nothing_to_another_key_attribute(self) -> None:
        """Change nothing: the new table would be made first, and its name is taken."""
        self._refused("keyAttribute", "event_id", "order_id")

    def loses_nothing_of_what_flows_when_the_function_is_renamed(self) -> None:
        """Deliver to the new function what the old one was at."""
        flow = self._under.flow()
        with self._traffic(flow, "functionName") as sent:
            self._made_first(self._up("functionName, events flow", {"functionName": "renamed"}))
        self._expect(not self._missing(sent, flow), "events are lost")
        self._expect(flow.dead() == 0, "there are dead letters")

    def loses_nothing_of_what_flows_when_the_table_is_renamed(self) -> None:
        """Store each event in the old table, which then goes with what is in it, or in the new."""
        flow, in_old = self._under.flow(), set[str]()
        look = _repeated(lambda: in_old.update(_ids(flow)))
        with self._traffic(flow, "tableName") as sent, look:
            self._made_first(self._up("tableName, events flow", {"tableName": "renamed"}))
        missing = self._missing([each for each in sent if each not in in_old], self._under.flow())
        self._say(f"  {len(sent)} events, {len(in_old.intersection(sent))} in the old table")
        self._expect(not missing, f"in neither table: {missing}")

    def loses_nothing_to_a_taken_queue_name(self) -> None:
        """Leave both queues and what is in them working; the way on is forward."""
        sqs, flow = self._under.aws.client("sqs"), self._under.flow()
        sqs.create_queue(QueueName="taken", Attributes={"VisibilityTimeout": "77"})
        sqs.send_message(QueueUrl=flow.outputs["deadLetterQueueUrl"], MessageBody="broken")
        step = self._up("queueName, taken", {"queueName": "taken"}, fails=True)
        gone = [each for each in step.changes if "delete" in each.operation]
        self._expect(bool(step.error) and not gone, f"deleted: {gone}")
        self._expect(flow.dead() == 1, "the dead letter is gone")
        self._stores(flow, "taken")

    def loses_what_the_old_queues_hold_when_the_queue_is_renamed(self) -> None:
        """Store what is sent until the mapping moves; delete the old queues with the rest."""
        flow = self._under.flow()
        with self._traffic(flow, "queueName") as sent:
            self._made_first(self._up("queueName, events flow", {"queueName": "renamed"}))
        after = self._under.flow()
        missing = self._missing(sent, after, seconds=5)
        self._say(f"  {len(sent)} events, the last {len(missing)} deleted with the old queue")
        # Not one here and one there: from the move on, all of them.
        self._expect(missing == sent[len(sent) - len(missing) :], "some are missing in between")
        self._stores(after, "renamed")

    def protects_what_holds_data(self) -> None:
        """Refuse a rename, and `destroy` in its preview, before anything is touched."""
        self._set_protection({"protectData": "true"})
        items, everything = self._under.flow().items(), self._everything()
        acts: Mapping[str, Callable[[], Step]] = {
            "tableName": lambda: self._under.up({"tableName": "other"}),
            "queueName": lambda: self._under.up({"tableName": "renamed", "queueName": "other"}),
            "destroy": lambda: self._under.take(self._under.stack.preview_destroy),
        }
        for what, act in acts.items():
            step = self._show(f"{what}, protected", act(), fails=True)
            self._expect("protect" in step.error, f"the error is {step.error[-300:]!r}")
            self._expect(self._everything() == everything, "something was made or deleted")
            self._expect(self._under.flow().items() == items, "items are gone")
        self._set_protection({"protectData": "false", "queueName": "renamed"})

    def leaves_nothing(self) -> None:
        """Delete everything that the stack made."""
        self._show("destroy", self._under.take(self._under.stack.destroy))
        left = [each for each in self._everything() if not each.endswith("taken")]
        self._expect(not left, f"left: {left}")

    def _everything(self) -> list[str]:
        """Name what there is in AWS, whoever made it."""
        aws = self._under.aws.client
        mappings = aws("lambda").list_event_source_mappings()["EventSourceMappings"]
        return [
            *aws("dynamodb").list_tables()["TableNames"],
            *aws("sqs").list_queues().get("QueueUrls", []),
            *(each["FunctionName"] for each in aws("lambda").list_functions()["Functions"]),
            *(each["UUID"] + each["State"] for each in mappings),
            *(each["logGroupName"] for each in aws("logs").describe_log_groups()["logGroups"]),
            *(each["AlarmName"] for each in aws("cloudwatch").describe_alarms()["MetricAlarms"]),
            *(each["RoleName"] for each in aws("iam").list_roles()["Roles"]),
        ]

    def _up(self, what: str, config: Mapping[str, str] = NO_CHANGE, *, fails: bool = False) -> Step:
        return self._show(what, self._under.up(config), fails=fails)

    def _set_protection(self, config: Mapping[str, str]) -> None:
        """Go on after the one error: MiniStack does not know the log group's protection."""
        step = self._show("protectData", self._under.up(config, go_on=True), fails=True)
        known = "PutLogGroupDeletionProtection" in step.error or not step.error
        self._expect(known, step.error[-1500:])

    def _refused(self, key: str, before: str, other: str) -> None:
        """See another value of a key fail, and leave the items; then there is nothing to undo."""
        items = self._under.flow().items()
        step = self._up(f"{key}, {other}", {key: other}, fails=True)
        self._expect(bool(step.error), "it did not fail")
        self._unchanged(step)
        self._expect(self._under.flow().items() == items, "items are gone")
        self._unchanged(self._up(f"{key} as before", {key: before}))

    def _unchanged(self, step: Step) -> None:
        self._expect(not step.changes, f"changed: {step.changes}")

    def _show(self, what: str, step: Step, *, fails: bool = False) -> Step:
        counts = Counter(each.operation for each in step.changes)
        done = ", ".join(f"{count} {operation}" for operation, count in counts.items())
        self._say(f"{what}: {step.seconds:.0f} s, {done or 'nothing'}")
        if step.error and not fails:
            self._expect(False, step.error[-1500:])
        return step

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._say(f"  NOT AS PROMISED: {otherwise}", markup=False)
            self.broken.append(otherwise)

    def _made_first(self, step: Step) -> None:
        """Each new resource was made before an old one went, but for the mapping."""
        others = [each for each in step.changes if not each.resource.endswith("source-mapping")]
        order = [each.operation for each in others]
        made = [place for place, each in enumerate(order) if each.startswith("create")]
        gone = [place for place, each in enumerate(order) if each.startswith("delete")]
        self._expect(bool(made and gone) and max(made) < min(gone), f"the order was {order}")

    def _stores(self, flow: Deployed, prefix: str) -> None:
        with self._traffic(flow, prefix) as sent:
            wait_for(lambda: len(sent) >= TRIED, SECONDS)
        self._expect(not self._missing(sent, flow), "events are not stored")

    def _missing(self, sent: list[str], flow: Deployed, seconds: float = SECONDS) -> list[str]:
        """Return the ids that are not in the table, once all are or time is up."""
        wait_for(lambda: set(sent) <= _ids(flow), seconds)
        stored = _ids(flow)
        return [event_id for event_id in sent if event_id not in stored]

    @contextmanager
    def _traffic(self, flow: Deployed, prefix: str) -> Iterator[list[str]]:
        """Send ten events a second until the block ends; tell the ids of those that SQS took."""
        sent: list[str] = []

        def send() -> None:
            event_id = f"{prefix}-{len(sent)}"
            with suppress(ToolError):  # refused: a producer would know
                flow.send([json.dumps({"event_id": event_id, "timestamp": len(sent)})])
                sent.append(event_id)

        with _repeated(send):
            yield sent


@contextmanager
def _repeated(act: Callable[[], None]) -> Iterator[None]:
    """Act ten times a second, beside the block."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(EVERY_SECONDS):
            with suppress(ClientError):  # the queue or the table is gone
                act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _ids(flow: Deployed) -> set[str]:
    return {item["event_id"] for item in flow.items()}


def main() -> int:
    """Take all steps; return 1 if one was not as promised, or the engine is missing."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    # When the engine stops the program, Pulumi leaves a coroutine that complains when it goes.
    sys.unraisablehook = lambda _: None
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    try:
        with engine() as under:
            proof = Proof(under, console)
            for name in vars(Proof):
                if not name.startswith("_"):
                    getattr(proof, name)()
        proof.broken += package.prove(console.print)
    except ToolError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False)
        return 1
    console.print(
        f"{len(proof.broken)} promises broken" if proof.broken else "all as promised",
        f"in {time.monotonic() - began:.0f} s",
    )
    return 1 if proof.broken else 0


if __name__ == "__main__":
    sys.exit(main())
