"""The live line of `python -m tools up`."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import boto3
import pytest

from tools.aws import CREDENTIALS
from tools.stacks import PROJECT

SECONDS = 60.0
NEWER = '{"event_id":"watched-1","timestamp":"2025-03-30T02:00:00Z"}'
OLDER = '{"event_id":"watched-1","timestamp":"2025-03-30T01:00:00Z"}'


class _Terminal:
    """A pseudo-terminal, and all that was written to it."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        self.text = ""

    def read_until(self, found: Callable[[str], object]) -> None:
        deadline = time.monotonic() + SECONDS
        while not found(self.text) and time.monotonic() < deadline:
            if select.select([self.ours], [], [], 0.2)[0]:
                self.text += os.read(self.ours, 65536).decode()
        assert found(self.text), self.text[-2000:]


def _up(stderr: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tools", "up"],
        cwd=PROJECT,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def _lines(text: str) -> list[str]:
    """Return what was printed, without what moves the cursor or colours."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))


def _send(ready: dict[str, str], body: str) -> None:
    sqs = boto3.client(  # type: ignore[call-overload]
        "sqs",
        endpoint_url=ready["endpointUrl"],
        region_name=ready["region"],
        **CREDENTIALS,
    )
    sqs.send_message(QueueUrl=ready["queueUrl"], MessageBody=body)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_a_terminal_shows_what_became_of_each_message() -> None:
    terminal = _Terminal()
    with _up(terminal.theirs) as process:
        try:
            assert process.stdout
            ready = json.loads(process.stdout.readline())
            none = "waiting 0   stored 0   superseded 0   dead letters 0"
            terminal.read_until(lambda text: none in _lines(text))

            _send(ready, NEWER)
            stored = "waiting 0   stored 1   superseded 0   dead letters 0"
            terminal.read_until(lambda text: stored in _lines(text))

            _send(ready, OLDER)
            _send(ready, '{"status":"active"}')
            dead = "waiting 0   stored 1   superseded 1   dead letters 1 (event_id is missing)"
            terminal.read_until(lambda text: dead in _lines(text))

            process.send_signal(signal.SIGINT)
            terminal.read_until(lambda _: process.poll() is not None)
            assert process.stdout.read() == ""
            assert process.returncode == 0
        finally:
            process.kill()


def test_without_a_terminal_no_line_is_kept() -> None:
    with _up(subprocess.PIPE) as process:
        try:
            assert process.stdout
            ready = json.loads(process.stdout.readline())
            _send(ready, NEWER)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert "\x1b" not in said
    assert "stored" not in said
    first = said.index('.venv/bin/python -m tools.flow send --outputs local.json \'{"event_id"')
    assert first < said.index("aws --endpoint-url")
    assert "\nCtrl-C stops it, and everything in it is gone.\n" in said
