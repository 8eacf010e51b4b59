"""`python -m tools`, as a person or a script runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from typer.main import get_command

from tools.__main__ import main
from tools.commands import app
from tools.stacks import PROJECT

Captured = pytest.CaptureFixture[str]
NONSENSE = {
    "AWS_PROFILE": "nonsense",
    "AWS_ENDPOINT_URL": "http://nonsense.invalid",
    "AWS_REGION": "nonsense",
    "AWS_DEFAULT_REGION": "nonsense",
    "AWS_CONFIG_FILE": __file__,
}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tools", *arguments]


def _run(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments),
        cwd=cwd,
        env={**os.environ, **NONSENSE},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def _up(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `up` with `folder` for temporary files; yield it with the line it prints when ready."""
    with subprocess.Popen(
        _command("up", *arguments),
        cwd=PROJECT,
        env={**os.environ, **NONSENSE, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def _processes_below(folder: Path) -> list[int]:
    """Return the processes that were given `folder` for their temporary files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"={folder}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_up_prints_one_line_of_json_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with _up(tmp_path) as (process, line):
        ready = json.loads(line)
        endpoint = ready["endpointUrl"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", endpoint)
        assert ready == {
            "queueUrl": f"{endpoint}/000000000000/event-state-queue",
            "queueArn": "arn:aws:sqs:us-east-1:000000000000:event-state-queue",
            "deadLetterQueueUrl": f"{endpoint}/000000000000/event-state-queue-dlq",
            "tableName": "event-state-target-table",
            "keyAttribute": "event_id",
            "versionAttribute": "timestamp",
            "functionName": "EventUpsertLambda",
            "dashboardUrl": "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
            "?region=us-east-1#dashboards/dashboard/EventUpsertLambda-us-east-1",
            "endpointUrl": endpoint,
            "region": "us-east-1",
        }
        sqs = boto3.client(
            "sqs",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        sqs.send_message(QueueUrl=ready["queueUrl"], MessageBody="{}")
        assert len(_processes_below(tmp_path)) >= 2

        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)

        assert rest == ""
        assert process.returncode == 0
        assert _processes_below(tmp_path) == []
        assert list(tmp_path.iterdir()) == []


def test_up_on_a_taken_port_says_so_and_what_to_do(capsys: Captured) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["up", "--port", str(port)]) == 1
    assert capsys.readouterr() == (
        "",
        f"error: Port {port} on 127.0.0.1 is taken: stop what listens there, "
        "or choose another with --port.\n",
    )


@pytest.mark.parametrize("command", ["up", "preview", "template"])
def test_an_unknown_stack_lists_the_known_ones(command: str, capsys: Captured) -> None:
    assert main([command, "--stack", "nope"]) == 1
    assert capsys.readouterr() == (
        "",
        "error: There is no stack 'nope': Pulumi.nope.yaml does not exist. "
        "The stacks are: dev, local, prod.\n",
    )


def test_a_bad_config_names_every_problem_and_starts_nothing(tmp_path: Path) -> None:
    """From a copy of the project, its packages linked, with the stack `test`."""
    for name in ("__main__.py", "Pulumi.yaml", "infra", "function", "tools"):
        (tmp_path / name).symlink_to(PROJECT / name)
    config = "config: {aws:region: us-east-1, batchSize: 0, queueName: a b}"
    (tmp_path / "Pulumi.test.yaml").write_text(config)
    result = _run("up", "--stack", "test", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert "2 problems" in lines[0]
    assert lines[1].startswith("  - queueName is 'a b': it must be 1-76 letters, digits")
    assert lines[2].startswith("  - batchSize is 0: it must be a whole number from 1 to 10000")


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_out_of_range_is_a_usage_error(port: str, capsys: Captured) -> None:
    assert main(["up", f"--port={port}"]) == 2
    (problem,) = capsys.readouterr().err.splitlines()
    assert problem.startswith("error: Invalid value for '--port': ")


def test_help_explains_each_command(capsys: Captured) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    commands = get_command(app).commands  # type: ignore[attr-defined] # it is a group
    for command in commands:
        assert re.search(rf"^  {command} +\w.+\.$", text, re.MULTILINE), command
        assert main([command, "--help"]) == 0
        assert f"Usage: python -m tools {command}" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="a shell's pipe")
def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"'{sys.executable}' -m tools preview --json | head -n 1"
    result = subprocess.run(
        ["/bin/sh", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("{\n", "")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_with_the_programs_packages_alone_it_says_what_to_run(missing: str) -> None:
    code = f"""
import runpy, sys
sys.modules[{missing!r}] = None
sys.argv[1:] = ["preview"]
runpy.run_module("tools", run_name="__main__")
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: the package {missing} is not installed: run `make .venv/installed`, then "
        ".venv/bin/python -m tools\n"
    )
