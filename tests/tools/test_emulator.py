"""The embedded AWS: it starts clean, and leaves nothing."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tools.emulator import HOST, Emulator
from tools.errors import ToolError


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


def test_two_run_side_by_side() -> None:
    with Emulator() as one, Emulator() as other:
        one.client("sqs").create_queue(QueueName="q")
        assert other.client("sqs").list_queues().get("QueueUrls", []) == []


def test_its_end_is_noticed() -> None:
    with Emulator() as aws:
        os.kill(aws._process.pid, signal.SIGKILL)
        with pytest.raises(ToolError, match="The embedded AWS ended unexpectedly"):
            aws.wait()
