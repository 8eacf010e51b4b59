"""`python -m tools.flow`, as a person or a script runs it beside `python -m tools up`."""

import json
import os
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from function.outcome import Outcome, Result
from function.report import counts, unacknowledged
from tests.conftest import Deployment
from tools import send as flow_send
from tools.deployed import LogLine, Settings
from tools.stacks import PROJECT
from tools.send import send

NONSENSE = {
    "AWS_PROFILE": "nonsense",
    "AWS_ENDPOINT_URL": "http://nonsense.invalid",
    "AWS_REGION": "nonsense",
    "AWS_CONFIG_FILE": __file__,
}


def _run(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.flow", *arguments],
        cwd=PROJECT,
        env={**os.environ, **NONSENSE, **({"PATH": path} if path else {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def outputs(deployment: Deployment, tmp_path: Path) -> str:
    """Keep the deployment's outputs in a file, as `local up > FILE` does."""
    file = tmp_path / "local.json"
    file.write_text(json.dumps(deployment.outputs))
    return str(file)


@pytest.fixture
def event_id() -> str:
    return f"sent-{uuid.uuid4().hex}"


def _event(event_id: str, version: str, **members: Any) -> str:
    return json.dumps({"event_id": event_id, "timestamp": f"2025-03-30T{version}", **members})


def test_an_event_is_stored_and_shown(outputs: str, event_id: str) -> None:
    body = f'{{"event_id":"{event_id}","user_id":42,"rate":0.10,"name":"東京"}}'
    result = _run("send", "--outputs", outputs, body)
    assert (result.returncode, result.stderr) == (0, "")
    told, item = result.stdout.splitlines()
    assert told.startswith("Stored, ")
    assert item == body.replace("0.10", "0.1")


@pytest.fixture
def tell(deployment: Deployment) -> Callable[[str], tuple[int, str]]:
    """Send one event from this process; return the exit status and what is said."""

    def sent(body: str) -> tuple[int, str]:
        said: list[str] = []
        return send(deployment.deployed, body, said.append), "\n".join(said)

    return sent


Tell = Callable[[str], tuple[int, str]]


def test_an_older_event_is_superseded_and_the_newer_one_shown(tell: Tell, event_id: str) -> None:
    newer = _event(event_id, "01:00:00.5Z")
    assert tell(newer)[0] == 0
    shown = f"Superseded by a newer event of its id:\n{newer.replace(', ', ',').replace(': ', ':')}"
    # The last is the same instant, spelled otherwise.
    for older in ("00:59:59.999Z", "01:00:00Z", "01:00:00.50Z"):
        assert tell(_event(event_id, older)) == (0, shown)
    assert tell(json.dumps({"event_id": event_id})) == (0, shown)
    assert tell(json.dumps({"event_id": event_id, "timestamp": 7})) == (0, shown)


def test_an_event_that_is_there_already_is_said_to_be(tell: Tell, event_id: str) -> None:
    body = f'{{"event_id":"{event_id}","timestamp":1}}'
    assert tell(body)[1].startswith("Stored, ")
    assert tell(body) == (0, f"Stored: the table already holds this very event.\n{body}")
    # Not equal, though a newer one would be no nearer to it: true is not 1.
    other = body.replace("}", ',"flag":true}')
    assert tell(other)[1].startswith("Stored, ")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"event_id":1}', "event_id is not a string"),
        ("no json", "body is not JSON: "),
        ('{"event_id":""}', "event_id is empty"),
        ('{"event_id":"\\ud800"}', "a string holds half of a surrogate pair"),
    ],
)
def test_a_rejected_event_has_its_reason(tell: Tell, body: str, reason: str) -> None:
    status, said = tell(body)
    assert status == 1
    assert said.startswith(f"Rejected: {reason}"), said
    assert said.endswith(" It becomes a dead letter.")


def test_an_event_that_is_old_and_broken_is_rejected(tell: Tell, event_id: str) -> None:
    tell(_event(event_id, "01:00:00Z"))
    status, said = tell(_event(event_id, "00:00:00Z").replace("}", ',"n":NaN}'))
    assert (status, said) == (1, "Rejected: NaN is not a JSON number. It becomes a dead letter.")


class _Scripted:
    """A flow whose table holds a newer event, and whose log tells late what became of one."""

    version_attribute = "timestamp"

    def __init__(self, said: list[LogLine]) -> None:
        self._said = said
        self._looks = 0
        self._counted = LogLine(1, "s", counts([Outcome.SUPERSEDED], "f", 1))

    def send(self, bodies: list[str]) -> list[str]:
        return ["m-1"]

    def settings(self) -> Settings:
        return Settings(visibility_seconds=6, deliveries=2)

    def item(self, event_id: str) -> dict[str, Any]:
        self._looks += 1
        return {"event_id": event_id, "timestamp": "2025-03-30T02:00:00Z"}

    def log_lines(self, since: float, pattern: str) -> list[LogLine]:
        said = self._said if self._looks > 3 else []
        about = [line for line in said if "m-1" in line.text]
        return about if "m-1" in pattern else [self._counted, *said]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (unacknowledged({"messageId": "m-1"}, "a", Result(Outcome.REJECTED, "no")), "Rejected: no"),
        (counts([Outcome.COALESCED], "f", 2), "Superseded by a newer event of its id"),
    ],
)
def test_superseded_is_said_once_the_function_passed_an_event_over(
    line: str, expected: str
) -> None:
    said: list[str] = []
    flow: Any = _Scripted([LogLine(2, "s", line)])
    body = '{"event_id":"a","timestamp":"2025-03-30T01:00:00Z"}'
    is_about_it = "m-1" in line
    assert send(flow, body, said.append) == int(is_about_it)
    assert said[0].startswith(expected)
    assert flow._looks > 3


def test_what_is_not_known_in_time_is_said_not_to_be(
    tell: Tell, event_id: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(_event(event_id, "01:00:00Z"))
    monkeypatch.setattr(flow_send, "GRACE_SECONDS", -5.5)
    monkeypatch.setattr(flow_send, "_passed_over", lambda *_: set())  # nothing is heard
    status, said = tell(_event(event_id, "00:00:00Z"))
    assert status == 1
    first, second = said.splitlines()
    assert first == "The table holds a newer event of its id, which this one will not replace."
    assert second.startswith("Not known after 0 s what became of it; ")


def test_dead_letters_are_shown_oldest_first_with_reason_and_kept(
    outputs: str, deployment: Deployment
) -> None:
    mark = uuid.uuid4().hex
    bodies = [f'{{"{mark}":{number}}}' for number in range(2)]
    ids = []
    for body in bodies:
        ids += deployment.deployed.send([body])
        time.sleep(0.01)
    deployment.drain()

    for _ in range(2):
        result = _run("dead-letters", "--outputs", outputs)
        assert result.returncode == 0
        assert result.stderr.endswith(" dead letters. None is removed.\n")
        lines = result.stdout.splitlines()
        ours = [place for place, line in enumerate(lines) if mark in line]
        assert [lines[place] for place in ours] == [f"    {body}" for body in bodies]
        for place, message_id in zip(ours, ids, strict=True):
            moment, shown_id, reason = lines[place - 1].split(" ", 2)
            assert (shown_id, reason) == (message_id, "event_id is missing")
            assert moment.endswith("Z")


# Which stack.

_GIVEN = {"queueArn": "arn:aws:sqs:eu-west-1:1:q", "deadLetterQueueUrl": "d", "tableName": "t"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no json", "holds no stack outputs: keep in it what"),
        ("[]", "holds no stack outputs: keep in it what"),
        (json.dumps(_GIVEN), "has no output queueUrl, functionName, versionAttribute: keep in it"),
    ],
)
def test_a_file_without_the_outputs_says_what_belongs_there(
    tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "outputs"
    file.write_text(text)
    result = _run("smoke", "--outputs", str(file))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {file} {reason}")
    assert result.stderr.count("\n") == 1


def test_a_missing_file_is_one_sentence() -> None:
    result = _run("watch", "--outputs", "nowhere.json")
    assert result.returncode == 1
    assert result.stderr.startswith("error: nowhere.json cannot be read: ")


def _pulumi(folder: Path, script: str) -> str:
    """Put a Pulumi CLI into a folder; return the folder for PATH."""
    file = folder / "pulumi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_a_stack_is_asked_of_pulumi(deployment: Deployment, tmp_path: Path, event_id: str) -> None:
    said = "pulumi stack output --json --stack org/event-state/dev --non-interactive"
    path = _pulumi(
        tmp_path,
        f"[ \"pulumi $*\" = '{said}' ] || exit 3\n"
        f"cat <<'EOF'\n{json.dumps(deployment.outputs)}\nEOF",
    )
    body = f'{{"event_id":"{event_id}"}}'
    result = _run("send", "--stack", "org/event-state/dev", body, path=path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1] == body


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo \"error: no stack named 'dev' found\" >&2; exit 255",
            "`pulumi stack output --stack dev` failed: no stack named 'dev' found",
        ),
        ("echo '{}'", "The stack dev has no output queueUrl, queueArn, deadLetterQueueUrl"),
    ],
)
def test_a_stack_that_is_not_there_is_one_sentence(
    tmp_path: Path, script: str, reason: str
) -> None:
    result = _run("smoke", "--stack", "dev", path=_pulumi(tmp_path, script))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {reason}")
    assert result.stderr.count("\n") == 1


def test_without_the_pulumi_cli_it_says_where_to_get_it(tmp_path: Path) -> None:
    result = _run("smoke", "--stack", "dev", path=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.startswith("error: The Pulumi CLI is not installed: https://")


@pytest.mark.parametrize("command", ["send", "watch", "dead-letters", "smoke"])
def test_help_explains_each_command(command: str) -> None:
    assert f"usage: python -m tools.flow {command} " in _run(command, "--help").stdout
