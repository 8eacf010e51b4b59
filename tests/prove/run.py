"""One run: deploy, send while faults are injected, let the queue drain, account."""

import dataclasses
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pulumi
from boto3.dynamodb.types import TypeDeserializer
from pulumi.runtime import mocks as pulumi_mocks

from local.deployer import Deployer
from local.emulator import Emulator
from local.program import run
from local.stacks import PROJECT, Stack, load_stack

from .checker import Account, account
from .load import Message, messages
from .proxy import Fault, Proxy
from .sabotage import sabotage

FUNCTION_SECONDS: Final = 2
# A long run needs many invocations at once, and enough deliveries that faults that pass do not end
# as dead letters; a short one starts fewer workers, and waits less for its broken messages.
SHORT: Final = 5000
CONCURRENCY, DELIVERIES = 24, 8
SHORT_CONCURRENCY, SHORT_DELIVERIES = 4, 3
# A quarter of what the program sets, so that messages come again while an invocation that has
# them may still run, and so that a run does not take an hour.
VISIBILITY_SECONDS: Final = 3
PRODUCERS: Final = 4
SEND_COUNT: Final = 10
SEND_BYTES: Final = 1_048_576
# Producers wait while more messages than this do: the embedded AWS walks through all of them for
# each batch, and faults end when the last one is sent.
BACKLOG: Final = 300
POLL_SECONDS: Final = 0.1
DRAIN_SECONDS: Final = 120.0

# Told now and then: what is going on, how much of it is done, and out of how much.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was sent, what was done to it, and what became of it."""

    sent: int
    ids: int
    writes: int
    concurrent: int
    deliveries: int
    redeliveries: int
    faults: Mapping[Fault, int]
    violations: list[Any]
    account: Account
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, wrong or unexplained, and every answer kept AWS's contract."""
        return self.account.holds and not self.violations


def prove(count: int, seed: int, *, fault: str | None = None, tell: Tell) -> Report:
    """Run once, and report.

    fault: the name of a fault to put into the handler.
    """
    started = time.monotonic()
    stack = _stack(is_short=count <= SHORT)
    load = messages(count, seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(region=stack.region) as aws,
        Proxy(int(aws.endpoint_url.rpartition(":")[2]), seed, FUNCTION_SECONDS) as proxy,
    ):
        source, watched_file = PROJECT / "function", Path(folder) / "watched"
        if fault:
            source = Path(folder) / "function"
            sabotage(PROJECT / "function", source, fault)
        variables = {
            "AWS_ENDPOINT_URL_DYNAMODB": proxy.endpoint_url,
            "WATCHED_FILE": str(watched_file),
        }
        flow = _Flow(aws, run(stack, _Deployer(aws, stack, source, variables)).outputs, tell)
        sent = flow.send(load)
        proxy.calm = True
        left = flow.drain()
        watched = [json.loads(line) for line in watched_file.read_text().splitlines()]
        return Report(
            sent=len(sent),
            ids=len({json.loads(m.body)["event_id"] for m in load if m.storable}),
            writes=proxy.writes,
            concurrent=proxy.concurrent,
            deliveries=sum(line.get("deliveries", 0) for line in watched),
            redeliveries=sum(line.get("redeliveries", 0) for line in watched),
            faults=proxy.faults,
            violations=[line["violation"] for line in watched if "violation" in line],
            account=account(sent, flow.items(), flow.dead_letters(), left),
            seconds=time.monotonic() - started,
        )


def _stack(*, is_short: bool) -> Stack:
    """Return the stack `local`, changed for the run."""
    config = {
        "event-state:functionTimeoutSeconds": FUNCTION_SECONDS,
        "event-state:maximumConcurrency": SHORT_CONCURRENCY if is_short else CONCURRENCY,
        "event-state:maxReceiveCount": SHORT_DELIVERIES if is_short else DELIVERIES,
    }
    stack = load_stack("local")
    changed = {key: str(value) for key, value in config.items()}
    return dataclasses.replace(stack, config={**stack.config, **changed})


class _Deployer(Deployer):
    """Deploys the handler of `source`, watched, with more environment variables."""

    def __init__(
        self, aws: Emulator, stack: Stack, source: Path, variables: Mapping[str, str]
    ) -> None:
        super().__init__(aws, stack)
        self._source = source
        self._variables = variables

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Create the resource, the function and the queue with what the run changes."""
        if args.typ == "aws:lambda/function:Function":
            variables = args.inputs["environment"]["variables"]
            files = {
                **{f"function/{path.name}": path for path in self._source.glob("*.py")},
                "batches.py": PROJECT / "tests/function/batches.py",
                "watched.py": Path(__file__).parent / "watched.py",
            }
            args.inputs = {
                **args.inputs,
                "handler": "watched.handler",
                "code": pulumi.AssetArchive(
                    {name: pulumi.FileAsset(path) for name, path in files.items()}
                ),
                "environment": {"variables": {**variables, **self._variables}},
            }
        if args.inputs.get("visibilityTimeoutSeconds"):
            args.inputs = {**args.inputs, "visibilityTimeoutSeconds": VISIBILITY_SECONDS}
        return super().new_resource(args)


class _Flow:
    """The deployed queues, table and log."""

    def __init__(self, aws: Emulator, outputs: Mapping[str, Any], tell: Tell) -> None:
        self._aws = aws
        self._outputs = outputs
        self._tell = tell
        self._sqs = aws.client("sqs")

    def send(self, load: list[Message]) -> dict[str, Message]:
        """Send the messages from several producers at once; return them by message id."""
        sent: dict[str, Message] = {}
        requests = iter(list(_requests(load)))
        lock = threading.Lock()
        may_send = threading.Event()

        def produce() -> None:
            sqs = self._aws.client("sqs")
            while True:
                may_send.wait()
                with lock:
                    request = next(requests, None)
                if request is None:
                    return
                answer = sqs.send_message_batch(
                    QueueUrl=self._outputs["queueUrl"],
                    Entries=[
                        {"Id": str(place), "MessageBody": message.body}
                        for place, message in enumerate(request)
                    ],
                )
                if len(answer["Successful"]) != len(request):
                    raise RuntimeError(f"the queue refused messages: {answer}")
                for each in answer["Successful"]:
                    sent[each["MessageId"]] = request[int(each["Id"])]

        with ThreadPoolExecutor(PRODUCERS) as pool:
            producers = [pool.submit(produce) for _ in range(PRODUCERS)]
            while not all(producer.done() for producer in producers):
                (may_send.set if self._waiting(_VISIBLE) < BACKLOG else may_send.clear)()
                self._tell("sending, with faults", len(sent), len(load))
                time.sleep(POLL_SECONDS)
            for producer in producers:
                producer.result()
        return sent

    def drain(self) -> int:
        """Wait until the queue is empty, or for a while; return how many messages are left."""
        deadline = time.monotonic() + DRAIN_SECONDS
        first = left = self._waiting(_VISIBLE, _IN_FLIGHT)
        while left and time.monotonic() < deadline:
            self._tell("draining, without faults", first - left, first)
            time.sleep(POLL_SECONDS)
            left = self._waiting(_VISIBLE, _IN_FLIGHT)
        return left

    def _waiting(self, *names: str) -> int:
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._outputs["queueUrl"], AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def items(self) -> Iterator[dict[str, Any]]:
        """Read the whole table."""
        pages = (
            self._aws.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self._outputs["tableName"], ConsistentRead=True)
        )
        deserialize = _Deserializer().deserialize
        for page in pages:
            for item in page["Items"]:
                yield deserialize({"M": item})

    def dead_letters(self) -> list[tuple[str, str]]:
        """Return the message id and the body of each dead letter."""
        letters: list[tuple[str, str]] = []
        while received := self._sqs.receive_message(
            QueueUrl=self._outputs["deadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=600,
        ).get("Messages"):
            letters += [(message["MessageId"], message["Body"]) for message in received]
        return letters


_VISIBLE: Final = "ApproximateNumberOfMessages"
_IN_FLIGHT: Final = "ApproximateNumberOfMessagesNotVisible"


class _Deserializer(TypeDeserializer):
    """boto3's, but for a number that DynamoDB writes with more than 38 digits, such as 1E+50."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)


def _requests(load: list[Message]) -> Iterator[list[Message]]:
    """Yield what fits into one SendMessageBatch each."""
    request: list[Message] = []
    size = 0
    for message in load:
        added = len(message.body.encode())
        if len(request) == SEND_COUNT or size + added > SEND_BYTES:
            yield request
            request, size = [], 0
        request.append(message)
        size += added
    if request:
        yield request
