"""The embedded AWS: it starts clean, and leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tools.emulator import HOST, Emulator
from tools.errors import ToolError
from tools.stacks import PROJECT


def test_inside_the_block_it_answers_and_after_it_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Emulator(region="eu-west-1") as aws:
        url = aws.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        arn = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        assert url.startswith(aws.endpoint_url)
        assert arn["Attributes"]["QueueArn"] == "arn:aws:sqs:eu-west-1:000000000000:q"
        assert len(list(tmp_path.iterdir())) == 1
        port = int(aws.endpoint_url.rpartition(":")[2])
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, port)) != 0


def test_the_hosts_aws_settings_do_not_reach_its_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nonsense")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nonsense.invalid")
    monkeypatch.setenv("AWS_REGION", "nonsense")
    monkeypatch.setenv("AWS_CONFIG_FILE", __file__)
    with Emulator() as aws:
        assert aws.client("sqs").list_queues().get("QueueUrls", []) == []


def test_a_taken_port_is_named_with_the_mend() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ToolError) as raised, Emulator(port=port):
            pass
    assert str(raised.value) == (
        f"Port {port} on 127.0.0.1 is taken: stop what listens there, "
        "or choose another with --port."
    )


def test_two_run_side_by_side() -> None:
    with Emulator() as one, Emulator() as other:
        one.client("sqs").create_queue(QueueName="q")
        assert other.client("sqs").list_queues().get("QueueUrls", []) == []


def test_its_end_is_noticed() -> None:
    with Emulator() as aws:
        os.kill(aws._process.pid, signal.SIGKILL)
        with pytest.raises(ToolError, match="The embedded AWS ended unexpectedly"):
            aws.wait()


def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    parent = """
        import sys, time
        from tools.emulator import Emulator
        with Emulator() as aws:
            print(aws._process.pid, flush=True)
            time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(parent)],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        assert list(tmp_path.iterdir())
        process.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (_lives(child) or list(tmp_path.iterdir())):
        time.sleep(0.05)
    assert not _lives(child)
    assert list(tmp_path.iterdir()) == []


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie, whose reaper is slow, holds nothing any more.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
