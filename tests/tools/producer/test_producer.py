"""The producer: what it sends, what it refuses, and what it remembers."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Deployment
from tools.aws import CREDENTIALS
from tools.load import checkpoint
from tools.load.checkpoint import Progress
from tools.load.source import Event, lines
from tools.stacks import PROJECT

SECONDS = 120.0


def _lines(text: str, done: dict[str, Any] | None = None) -> list[Event]:
    stream, begun = io.BytesIO(text.encode()), {} if done is None else done
    return list(lines(stream, begun, "v", lambda number: number))


def _event(event_id: str) -> str:
    return json.dumps({"event_id": event_id, "v": 1}) + "\n"


# What is left of a file.


def test_lines_that_are_not_blank_are_events_and_keep_their_numbers() -> None:
    done: dict[str, Any] = {}
    left = _lines(_event("a") + "\n  \nnonsense\n" + _event("b"), done)
    assert [event.name for event in left] == ["line 1", "line 4", "line 5"]
    assert left[2].body() == _event("b").strip()
    left[2].mark()
    assert (done["count"], done["size"]) == (5, 2 * len(_event("a")) + 13)


def test_the_rest_is_what_was_not_marked_and_has_the_same_versions() -> None:
    text = "".join(f'{{"event_id":"e{n}"}}\n' for n in range(25))
    done: dict[str, Any] = {}
    every = _lines(text, done)
    every[9].mark()
    left = _lines(text, done)
    assert [event.name for event in left] == [f"line {n}" for n in range(11, 26)]
    assert [event.body() for event in left] == [event.body() for event in every[10:]]


@pytest.mark.parametrize("changed", ["x", "{" + "x" * 1000, ""])
def test_an_input_that_was_changed_is_not_resumed(changed: str) -> None:
    done: dict[str, Any] = {}
    _lines("".join(_event(f"e{n}") for n in range(25)), done)[9].mark()
    with pytest.raises(ValueError, match="does not begin"):
        _lines(changed, done)


# The command.


def _environment() -> dict[str, str]:
    named = {name.upper(): value for name, value in CREDENTIALS.items()}
    return {**os.environ, **named, "AWS_DEFAULT_REGION": "us-east-1"}


def _command(deployment: Deployment, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "tools.load"),
        *("--queue-url", deployment.outputs["queueUrl"]),
        *arguments,
    ]


def _run(
    command: list[str], text: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=environment or _environment(),
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _stored(deployment: Deployment, prefix: str, count: int) -> dict[str, Any]:
    """Return the items whose event_id begins with a prefix, once there are so many of them."""
    deadline = time.monotonic() + SECONDS
    items: dict[str, Any] = {}
    while len(items) < count and time.monotonic() < deadline:
        found = deployment.deployed.items()
        items = {i["event_id"]: i for i in found if i["event_id"].startswith(prefix)}
    return items


def _done(progress: Path) -> int:
    if not progress.exists():
        return 0
    count: int = json.loads(progress.read_text())["done"].get("count", 0)
    return count


def test_interrupted_and_run_again_no_line_is_lost(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    # No versions: those of the producer make the last line of each id the newest.
    events = [{"event_id": f"resumed-{n % 400}", "n": n} for n in range(4000)]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    progress = tmp_path / "events.jsonl.progress"
    command = _command(deployment, "--version-attribute", "timestamp", str(file))

    with subprocess.Popen(
        command, cwd=PROJECT, env=_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + SECONDS
            while _done(progress) == 0 and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 130
    done = _done(progress)
    assert 0 < done < 4000
    assert said.splitlines() == [
        "Interrupted.",
        f"{done} lines are done: the same command goes on from there.",
    ]

    again = _run(command)
    assert (again.returncode, again.stderr) == (
        0,
        f"Going on after {done} lines that are done.\n",
    )
    assert re.fullmatch(
        rf"Sent {4000 - done} messages in [\d.]+ s, \d+ a second; refused: 0. "
        r"In all, 4000 lines are done.\n",
        again.stdout,
    )
    assert list(tmp_path.iterdir()) == [file]
    deployment.drain()
    items = _stored(deployment, "resumed-", 400)
    assert {name: item["n"] for name, item in items.items()} == {
        f"resumed-{n}": Decimal(3600 + n) for n in range(400)
    }


def test_a_resumed_run_counts_its_versions_on_even_when_the_clock_stepped_back(
    deployment: Deployment, tmp_path: Path
) -> None:
    first, second = (f'{{"event_id":"clock-{n}"}}\n' for n in (1, 2))
    file = tmp_path / "events.jsonl"
    file.write_text(first + second)
    done: dict[str, Any] = {}
    _lines(first, done)[0].mark()
    in_2100 = 4_102_444_800 * 10**9
    progress = Progress(queue_url=deployment.outputs["queueUrl"], started=in_2100, done=done)
    checkpoint.save(tmp_path / "events.jsonl.progress", progress)
    assert _run(_command(deployment, "--version-attribute", "at", str(file))).returncode == 0
    assert _stored(deployment, "clock-", 1) == {
        "clock-2": {"event_id": "clock-2", "at": "2100-01-01T00:00:00.000000002Z"}
    }


def test_standard_input_is_sent_and_bad_lines_are_reported(deployment: Deployment) -> None:
    text = '{"event_id":"piped-1","n":1.50}\n{"event_id":2}\n\n{"event_id":"piped-2"}'
    result = _run(_command(deployment, "-"), text)
    assert (result.returncode, result.stderr) == (1, "line 2: event_id is not a string\n")
    assert re.fullmatch(
        r"Sent 2 messages in [\d.]+ s, \d+ a second; refused: 1. In all, 4 lines are done.\n",
        result.stdout,
    )
    assert _stored(deployment, "piped-", 2) == {
        "piped-1": {"event_id": "piped-1", "n": Decimal("1.50")},
        "piped-2": {"event_id": "piped-2"},
    }


def test_a_progress_file_for_another_queue_is_not_followed(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(_event("a"))
    other = tmp_path / "events.jsonl.progress"
    other.write_text('{"queue_url":"https://x/1/q","started":1,"done":{}}')
    result = _run(_command(deployment, str(file)))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {other} is about the queue https://x/1/q; delete it to send everything to the "
        "other one.\n"
    )


@pytest.mark.parametrize("content", ["", "{}", "[1]", "no json"])
def test_a_damaged_progress_file_says_what_to_do(
    deployment: Deployment, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(_event("a"))
    damaged = tmp_path / "events.jsonl.progress"
    damaged.write_text(content)
    result = _run(_command(deployment, str(file)))
    assert (result.returncode, result.stderr) == (
        1,
        f"error: {damaged} is no progress file; delete it to begin anew.\n",
    )


def test_a_missing_file_is_one_sentence(deployment: Deployment) -> None:
    result = _run(_command(deployment, "nowhere.jsonl"))
    assert (result.returncode, result.stderr) == (
        1,
        "error: nowhere.jsonl cannot be read: No such file or directory.\n",
    )


def test_a_queue_that_is_not_there_is_named(deployment: Deployment) -> None:
    url = deployment.outputs["queueUrl"] + "-not"
    result = _run([*_command(deployment, "-"), "--queue-url", url], _event("a"))
    assert result.returncode == 1
    assert result.stderr == (
        f"error: line 1: There is no queue {url}: pass what `pulumi stack output queueUrl` "
        "prints.\n"
    )


def test_without_credentials_it_says_which_to_set(deployment: Deployment) -> None:
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
    command = [*_command(deployment, "-"), "--queue-url", url]
    result = _run(command, _event("a"), environment)
    assert result.returncode == 1
    assert result.stderr.splitlines()[0] == (
        "error: line 1: Unable to locate credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY."
    )


def test_without_a_region_it_says_what_to_set(deployment: Deployment) -> None:
    result = _run(_command(deployment, "-"), _event("a"), dict(os.environ))
    assert (result.returncode, result.stderr) == (
        1,
        "error: No AWS region is set: set AWS_DEFAULT_REGION.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--queue-url", "queue", "-"], "'queue' is no queue's URL"),
        (["--queue-url", "https://x/1/q"], "name one of them: FILE, or --from-table TABLE"),
        (["--queue-url", "https://x/1/q", "--from-table", "t", "f"], "name one of them"),
        (["--queue-url", "https://x", "-"], "'https://x' is no queue's URL"),
        (
            ["--queue-url", "https://x/1/q", "--version-attribute", "event_id", "-"],
            "'event_id' cannot hold a version",
        ),
    ],
)
def test_a_usage_error_names_the_value(arguments: list[str], reason: str) -> None:
    result = _run([sys.executable, "-m", "tools.load", *arguments])
    assert result.returncode == 2
    assert reason in result.stderr
