"""The pipelines' IAM policies in docs/pipelines.md: what the provider calls, and no more."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.infra.registered import registered
from tools.stacks import PROJECT

DOCS: Final = (PROJECT / "docs" / "pipelines.md").read_text("utf-8")
# As `python -m tests.engine.calls` saw them: "read  sqs:ListQueueTags".
CALLS: Final = (PROJECT / "tests" / "engine" / "calls.txt").read_text("utf-8").splitlines()
READ: Final = {line.split()[1] for line in CALLS if line.startswith("read ")}
ALL: Final = {line.split()[1] for line in CALLS}
# The provider asks this only where skipCredentialsValidation is set: by the stack `local`.
OF_THE_EMULATOR: Final = {"iam:GetUser"}
CANARIES: Final = {
    *("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"),
    *("sqs:SendMessage", "sqs:GetQueueAttributes", "logs:FilterLogEvents"),
    *("dynamodb:DeleteItem", "dynamodb:GetItem"),
}
# Newer than parliament's list of actions.
UNKNOWN: Final = "logs:PutLogGroupDeletionProtection"


def _policy(title: str) -> dict[str, Any]:
    section = DOCS.split(f"\n## {title}\n")[1].split("\n## ")[0]
    (document,) = re.findall(r"```json\n(.+?)\n```", section, re.DOTALL)
    policy: dict[str, Any] = json.loads(document)
    return policy


def _actions(title: str) -> list[str]:
    return [action for each in _policy(title)["Statement"] for action in each["Action"]]


def test_the_deploy_role_may_do_what_the_provider_calls_and_the_canaries_need() -> None:
    allowed = _actions("The deploy role")
    assert set(allowed) == ALL - OF_THE_EMULATOR | CANARIES | {"iam:PassRole"}
    assert len(allowed) == len(set(allowed))


def test_the_preview_role_may_do_what_a_preview_reads() -> None:
    allowed = _actions("The preview role")
    assert set(allowed) == READ - OF_THE_EMULATOR
    assert len(allowed) == len(set(allowed))
    assert all(re.match(r"\w+:(Describe|Get|List)", action) for action in allowed)


@pytest.mark.parametrize("title", ["The deploy role", "The preview role"])
def test_parliament_finds_nothing(title: str) -> None:
    program = str(Path(sys.executable).with_name("parliament"))
    result = subprocess.run(
        [program, "--json", "--minimum_severity=INFO", "--string", json.dumps(_policy(title))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},  # its pkg_resources is deprecated,
    )
    assert result.stderr == ""
    assert [line for line in result.stdout.splitlines() if UNKNOWN not in line] == []


@pytest.mark.parametrize("title", ["The deploy role", "The preview role"])
def test_they_name_what_the_stack_prod_makes(title: str) -> None:
    program = registered("prod", alarmEmail="operations@example.com")
    queue, letters, table, group, function, topic = (
        program[each].inputs["name"]
        for each in ("queue", "dead-letter-queue", "table", "log-group", "function", "alarm-topic")
    )
    resources = [each["Resource"] for each in _policy(title)["Statement"]]
    arns = {arn for each in resources for arn in ([each] if isinstance(each, str) else each)}
    assert {arn.split(":", 5)[5].removesuffix(":*") for arn in arns - {"*"}} == {
        queue,
        letters,
        topic,
        f"table/{table}",
        f"log-group:{group}",
        f"function:{function}",
        f"alarm:{function}-*",
        f"dashboard/{program['dashboard'].inputs['dashboardName']}",
        "event-source-mapping",
        "key/*",
        "role/event-state-role-*",
    }
