"""Which stack a command is about: Pulumi's, or the line in a file."""

import json
import os
from pathlib import Path

import pytest

from tools.__main__ import main
from tools.deployed import of_file, of_stack
from tools.errors import ToolError

Captured = pytest.CaptureFixture[str]
GIVEN = {
    "queueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q",
    "queueArn": "arn:aws:sqs:eu-west-1:1:q",
    "deadLetterQueueUrl": "d",
    "tableName": "t",
    "functionName": "f",
    "keyAttribute": "event_id",
    "versionAttribute": "",
}
NO_OUTPUTS = "holds no stack outputs: keep in it what `python -m tools up` prints when it is ready."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no json", NO_OUTPUTS),
        (b"\xff", NO_OUTPUTS),
        (b"[]", NO_OUTPUTS),
        (
            b'{"queueArn":"a","deadLetterQueueUrl":"d","tableName":1}',
            "has no output queueUrl, tableName, functionName, keyAttribute, versionAttribute: keep "
            "in it what `python -m tools up` prints when it is ready.",
        ),
    ],
)
def test_a_file_without_the_outputs_says_what_belongs_there(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "outputs"
    file.write_bytes(content)
    with pytest.raises(ToolError) as refused, file.open(errors="replace") as stream:
        of_file(stream)
    assert str(refused.value) == f"{file} {reason}"


def _pulumi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a Pulumi CLI first on PATH."""
    file = folder / "pulumi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_stack_is_asked_of_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "stack output --json --stack org/event-state/dev --non-interactive"
    script = f"[ \"$*\" = '{asked}' ] || exit 3\ncat <<'EOF'\n{json.dumps(GIVEN)}\nEOF"
    _pulumi(tmp_path, script, monkeypatch)
    assert of_stack("org/event-state/dev") == GIVEN


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo \"error: no stack named 'dev' found\" >&2; exit 255",
            "`pulumi stack output --stack dev` failed: no stack named 'dev' found",
        ),
        ("exit 1", "`pulumi stack output --stack dev` failed: no reason given"),
        ("echo '{}'", "The stack dev has no output queueUrl, queueArn, deadLetterQueueUrl, "),
    ],
)
def test_a_stack_that_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    _pulumi(tmp_path, script, monkeypatch)
    with pytest.raises(ToolError) as refused:
        of_stack("dev")
    assert str(refused.value).startswith(reason)


def test_without_the_pulumi_cli_it_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"^The Pulumi CLI is not installed: https://"):
        of_stack("dev")


@pytest.mark.parametrize("which", [[], ["--stack", "dev", "--outputs", __file__]])
@pytest.mark.parametrize("command", [["send", "{}"], ["dead-letters"], ["smoke"]])
def test_one_stack_is_named(command: list[str], which: list[str], capsys: Captured) -> None:
    assert main([*command, *which]) == 2
    assert "name one of them: --stack NAME, or --outputs FILE" in capsys.readouterr().err


def test_what_cannot_be_used_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    file = tmp_path / "outputs"
    file.write_text(json.dumps(GIVEN))
    monkeypatch.setenv("AWS_PROFILE", "nonsense")
    assert main(["smoke", "--outputs", str(file)]) == 1
    assert capsys.readouterr().err == (
        "error: AWS cannot be used: The config profile (nonsense) could not be found\n"
    )
