"""The smoke test: quiet beside what is there, and loud about whatever is broken on purpose."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pulumi.runtime import mocks as pulumi_mocks

from tests.conftest import Deployment
from tools import deployed
from tools import smoke as flow_smoke
from tools.aws import explain
from tools.deployed import Deployed, wait_for
from tools.errors import ToolError
from tools.event import decode, is_same, rank
from tools.deployer import Deployer
from tools.emulator import Emulator
from tools.program import run
from tools.stacks import PROJECT, load_stack
from tools.smoke import canaries, smoke

VISIBILITY_SECONDS = 2
SECONDS = 60.0
# What the smoke test may need; the rest it does without.
ALLOWED = {
    "sqs": {"SendMessageBatch", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"},
    "dynamodb": {"GetItem", "DeleteItem"},
    "logs": {"FilterLogEvents"},
}


class _Hasty(Deployer):
    """Deploys without the queue policies, which demand TLS, and with a short visibility timeout."""

    role = policy = ""

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "aws:sqs/queuePolicy:QueuePolicy":
            return args.name, args.inputs
        if args.typ == "aws:iam/rolePolicy:RolePolicy":
            self.role, self.policy = args.inputs["role"], args.inputs["policy"]
        if args.inputs.get("visibilityTimeoutSeconds"):
            args.inputs = {**args.inputs, "visibilityTimeoutSeconds": VISIBILITY_SECONDS}
        return super().new_resource(args)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The program on an embedded AWS that asks the function for permissions."""

    aws: Emulator
    flow: Deployed
    role: str
    policy: str

    def left(self) -> tuple[list[str], list[str], int]:
        """Return the ids in the table, the bodies of the dead letters, and what waits."""
        ids = sorted(item["event_id"] for item in self.flow.items())
        return ids, sorted(each.body for each in self.flow.dead_letters()), self.flow.waiting()


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    stack = load_stack("local")
    with Emulator(region=stack.region, auth=True) as aws:
        deployer = _Hasty(aws, stack)
        flow = Deployed(run(stack, deployer).outputs)
        flow.send(['{"event_id":"other"}', "other"])
        assert wait_for(lambda: flow.dead() and flow.item("other"), SECONDS)
        assert wait_for(lambda: not flow.waiting(), SECONDS)
        yield Target(aws=aws, flow=flow, role=deployer.role, policy=deployer.policy)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_smoke, "GRACE_SECONDS", 2.0)
    monkeypatch.setattr(deployed, "HIDDEN_SECONDS", 3)


def _denied(operation: str) -> ClientError:
    told = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}
    return ClientError(told, operation)  # type: ignore[arg-type]


def _watch(flow: Deployed, denied: set[str]) -> tuple[Deployed, set[str]]:
    """Return a flow of its own that is refused some operations, and a set of those it calls."""
    watched, called = Deployed(flow.outputs), set()

    def see(model: Any, **_: Any) -> None:
        called.add(f"{model.service_model.service_name}:{model.name}")
        if model.name in denied:
            raise _denied(model.name)

    for client in (watched._sqs, watched._dynamodb, watched._logs, watched.producer._sqs):
        client.meta.events.register("before-call", see)
    return watched, called


def test_all_is_kept_with_no_more_permissions_than_needed_and_nothing_is_left(
    target: Target,
) -> None:
    others = target.left()
    flow, called = _watch(target.flow, {"ChangeMessageVisibilityBatch"})
    assert smoke(flow, lambda _: None) == []
    needed = {f"{service}:{name}" for service, names in ALLOWED.items() for name in names}
    assert called == needed | {"sqs:ChangeMessageVisibilityBatch"}
    # Without that permission others' dead letters come back by themselves.
    assert wait_for(lambda: target.left() == others, SECONDS)


def test_without_the_guard_the_late_events_are_named(target: Target) -> None:
    others = target.left()
    lambda_, name = target.aws.client("lambda"), target.flow.outputs["functionName"]
    before = lambda_.get_function_configuration(FunctionName=name)["Environment"]
    variables = {**before["Variables"], "VERSION_ATTRIBUTE": ""}
    said: list[str] = []
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    try:
        broken = smoke(target.flow, said.append)
    finally:
        lambda_.update_function_configuration(FunctionName=name, Environment=before)
    assert any(each.startswith("A late event does not overwrite a newer one: {") for each in broken)
    assert all(" is stored, and not {" in each for each in broken)
    assert said[-1] == "deleting what is left of the canaries"
    assert target.left() == others


def test_a_disabled_mapping_is_asked_about(target: Target) -> None:
    others, lambda_ = target.left(), target.aws.client("lambda")
    mapping = lambda_.list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)
    said: list[str] = []
    try:
        broken = smoke(target.flow, said.append)
        assert broken == [
            "An event is stored: 7 of 7 are not after 6 s; the log says nothing of them, and 7 "
            "messages are in the queue: is the event source mapping enabled?"
        ]
        assert said[-1].startswith("7 messages are still under way: delete what becomes of them")
        assert target.left() == (*others[:2], 7)
    finally:
        target.aws.client("sqs").purge_queue(QueueUrl=target.flow.outputs["queueUrl"])
        lambda_.update_event_source_mapping(UUID=mapping, Enabled=True)


def test_without_the_right_to_put_the_reason_is_told_and_the_dead_letters_removed(
    target: Target,
) -> None:
    others, iam = target.left(), target.aws.client("iam")
    (name,) = iam.list_role_policies(RoleName=target.role)["PolicyNames"]

    def put(policy: str) -> None:
        iam.put_role_policy(RoleName=target.role, PolicyName=name, PolicyDocument=policy)

    put(target.policy.replace("dynamodb:PutItem", "dynamodb:GetItem"))
    try:
        (broken,) = smoke(target.flow, lambda _: None)
    finally:
        put(target.policy)
    assert broken.startswith("An event is stored: 7 of 7 are not after 6 s; the log says: ")
    assert "AccessDenied" in broken
    assert target.left() == others


def test_a_dead_letter_queue_that_is_not_wired_is_named_and_no_broken_message_sent(
    target: Target,
) -> None:
    others = target.left()
    sqs, url = target.aws.client("sqs"), target.flow.outputs["queueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    elsewhere = json.loads(policy["RedrivePolicy"])
    elsewhere["deadLetterTargetArn"] = target.flow.outputs["queueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(elsewhere)})
    try:
        (broken,) = smoke(target.flow, lambda _: None)
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=policy)
    assert broken == (
        "A broken message becomes a dead letter, with its reason in the log: the queue has no "
        f"redrive policy to {target.flow.outputs['deadLetterQueueUrl']}; none was sent"
    )
    assert target.left() == others


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
        ("GetItem", "dynamodb:GetItem"),
        ("DeleteItem", "dynamodb:DeleteItem"),
        ("FilterLogEvents", "logs:FilterLogEvents"),
    ],
)
def test_a_missing_permission_is_named_before_anything_is_sent(
    target: Target, operation: str, action: str
) -> None:
    flow, called = _watch(target.flow, {operation})
    with pytest.raises(ClientError) as refused:
        smoke(flow, lambda _: None)
    assert explain(refused.value) == (f"AWS refuses {action}, which this needs: not authorized")
    assert "sqs:SendMessageBatch" not in called


def test_without_the_right_to_send_it_says_so(target: Target) -> None:
    flow, _ = _watch(target.flow, {"SendMessageBatch"})
    with pytest.raises(ToolError, match="AWS refuses sqs:SendMessage on http://"):
        smoke(flow, lambda _: None)


def test_ctrl_c_deletes_what_it_made_and_says_what_it_could_not(
    deployment: Deployment, tmp_path: Any
) -> None:
    file = tmp_path / "outputs"
    file.write_text(json.dumps(deployment.outputs))
    with subprocess.Popen(
        [sys.executable, "-m", "tools.flow", "smoke", "--outputs", str(file)],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr
            line = next(line for line in process.stderr if line.startswith("waiting"))
            assert line == "waiting up to 48 s for the broken one to be a dead letter\n"
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    first, second = said.splitlines()
    assert first == "deleting what is left of the canaries"
    assert "messages are still under way: delete what becomes of them" in second
    run_name = second.rpartition(" ")[2]
    assert not [i for i in deployment.deployed.items() if i["event_id"].startswith(run_name)]


# What it sends.


def test_the_canaries_have_ids_of_their_own_and_the_newest_is_what_must_remain() -> None:
    made = canaries("run", "timestamp")
    assert len({canary.event_id for canary in made}) == len(made)
    for canary in made:
        events = [decode(body) for body in (canary.first, *canary.later)]
        assert {event["event_id"] for event in events} == {canary.event_id}
        assert canary.event_id.startswith("run-")
        assert decode(canary.newest) == max(events, key=lambda event: rank(event, "timestamp"))


def test_what_comes_twice_is_the_same_to_the_letter() -> None:
    (twice,) = (each for each in canaries("run", "v") if each.event_id == "run-twice")
    assert twice.later[1] == twice.first != twice.newest == twice.later[0]


def test_without_a_guard_no_order_is_expected() -> None:
    made = canaries("run", "")
    assert [canary.promise for canary in made] == [
        "a newer event replaces an older one",
        "numbers are exact",
        "text is kept in any script",
    ]
    assert all(len(canary.later) <= 1 for canary in made)
    assert not any("timestamp" in canary.first for canary in made)


@pytest.mark.parametrize(
    ("one", "other"),
    [("true", "1"), ("null", "false"), ('"1"', "1"), ("[1]", "[1,2]"), ('{"a":1}', '{"b":1}')],
)
def test_values_of_two_kinds_are_not_the_same(one: str, other: str) -> None:
    assert is_same(decode(f'[{{"v":{one}}}]'), decode(f'[{{"v":{one}}}]'))
    assert not is_same(decode(f'[{{"v":{one}}}]'), decode(f'[{{"v":{other}}}]'))


def test_equal_numbers_are_the_same_however_they_are_written() -> None:
    assert is_same(decode("[1.50, 1E+2]"), decode("[1.5, 100]"))
