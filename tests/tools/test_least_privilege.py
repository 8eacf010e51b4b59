"""The role's policy, enforced: the function needs all of what it is given for the table, no more.

MiniStack enforces what the function calls. It neither enforces what Lambda itself does with the
role (receive, delete, log), nor lets anyone past the queue policies that demand TLS: the latter are
left out here, and both are asserted word for word in tests/infra.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import patient
from tools.deployed import Deployed, wait_for
from tools.emulator import Emulator
from tools.stacks import load_stack
from tools.template import make_template
from tools.up import deploy

SECONDS = 20.0
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/event-state-target-table"


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """The program on an embedded AWS that asks for permissions."""

    aws: Emulator
    outputs: dict[str, Any]
    role: str
    statements: list[dict[str, Any]]

    def outcome(self, event_id: str, statements: list[dict[str, Any]]) -> str:
        """Give the role these statements alone, send an event; return "stored", or why not."""
        iam = self.aws.client("iam")
        for name in iam.list_role_policies(RoleName=self.role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=self.role, PolicyName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=self.role, PolicyName="only", PolicyDocument=document)

        flow = Deployed(self.outputs)
        since = time.time()
        flow.send([json.dumps({"event_id": event_id})])

        def look() -> str:
            if flow.item(event_id) == {"event_id": event_id}:
                return "stored"
            # Others tell of the queue, which is not what this is about.
            lines = flow.log_lines(since, '"on the table"')
            return next((line["reason"] for line in lines), "")

        return wait_for(look, SECONDS)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    stack = load_stack("local")
    with Emulator(region=stack.region, auth=True) as aws:
        template = patient(make_template(stack))
        resources = template.body["Resources"]
        for name in ("EventStateQueuePolicy", "EventStateDeadLetterQueuePolicy"):
            del resources[name]
        outputs = deploy(aws, template)
        iam = aws.client("iam")
        (role,) = iam.list_roles()["Roles"]
        (name,) = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
        statements = policy["Statement"]
        yield Guarded(aws=aws, outputs=outputs, role=role["RoleName"], statements=statements)


def test_with_exactly_the_roles_policy_an_event_is_stored(guarded: Guarded) -> None:
    assert guarded.outcome("exact", guarded.statements) == "stored"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Resource": f"{TABLE}-other"}, id="another table"),
        pytest.param({"Resource": f"{TABLE}/index/*"}, id="an index of the table"),
        pytest.param({"Action": ["dynamodb:UpdateItem"]}, id="UpdateItem"),
        pytest.param({"Action": ["dynamodb:BatchWriteItem"]}, id="BatchWriteItem"),
        pytest.param({"Action": ["dynamodb:GetItem", "dynamodb:DeleteItem"]}, id="read and delete"),
        pytest.param({"Effect": "Deny"}, id="denied"),
        pytest.param(None, id="without it"),
    ],
)
def test_with_anything_else_on_the_table_it_is_refused_and_the_log_says_what_to_fix(
    guarded: Guarded, changes: dict[str, Any] | None, request: pytest.FixtureRequest
) -> None:
    (put,) = [each for each in guarded.statements if each["Sid"] == "PutItems"]
    others = [each for each in guarded.statements if each is not put]
    changed = [] if changes is None else [{**put, **changes}]
    reason = guarded.outcome(request.node.name, [*others, *changed])
    assert reason.startswith("AccessDeniedException: ")
    assert "allow the function's role dynamodb:PutItem on the table" in reason
