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

from tools.commands import app
from tools.stacks import PROJECT

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


def _project_with(folder: Path, stack_file: str) -> Path:
    """Return a copy of the project, its packages linked, with the stack `test`."""
    for name in ("__main__.py", "Pulumi.yaml", "infra", "function", "tools"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "Pulumi.test.yaml").write_text(stack_file)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_up_prints_one_line_of_json_and_a_signal_leaves_nothing(
    tmp_path: Path, ending: signal.Signals
) -> None:
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

        process.send_signal(ending)
        rest, _ = process.communicate(timeout=20)

        assert rest == ""
        assert process.returncode == 0
        assert _processes_below(tmp_path) == []
        assert list(tmp_path.iterdir()) == []


def test_up_on_a_taken_port_says_so_and_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = _run("up", "--port", str(port))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: Port {port} on 127.0.0.1 is taken: stop what listens there, "
        "or choose another with --port.\n"
    )


@pytest.mark.parametrize("command", ["up", "preview"])
def test_an_unknown_stack_lists_the_known_ones(command: str) -> None:
    result = _run(command, "--stack", "nope")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "error: There is no stack 'nope': Pulumi.nope.yaml does not exist. "
        "The stacks are: dev, local, prod.\n"
    )


@pytest.mark.parametrize("command", ["up", "preview"])
def test_a_bad_config_names_every_problem_and_starts_nothing(tmp_path: Path, command: str) -> None:
    project = _project_with(
        tmp_path, "config: {aws:region: us-east-1, batchSize: 0, queueName: a b}"
    )
    result = _run(command, "--stack", "test", cwd=project)
    assert (result.returncode, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert "2 problems" in lines[0]
    assert lines[1].startswith("  - queueName is 'a b': it must be 1-76 letters, digits")
    assert lines[2].startswith("  - batchSize is 0: it must be a whole number from 1 to 10000")


def test_preview_as_json_needs_no_aws_and_is_complete() -> None:
    result = _run("preview", "--stack", "dev", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    registered = json.loads(result.stdout)
    assert registered.keys() == {"resources", "outputs"}
    for resource in registered["resources"]:
        assert resource.keys() == {
            *("urn", "type", "name", "inputs", "parent", "dependencies", "protect"),
        }
    urns = [resource["urn"] for resource in registered["resources"]]
    assert len(set(urns)) == len(urns)
    for resource in registered["resources"]:
        assert set(resource["dependencies"]) <= set(urns)
    (function,) = (
        r for r in registered["resources"] if r["type"] == "aws:lambda/function:Function"
    )
    assert function["urn"] == (
        "urn:pulumi:dev::event-state::"
        "event-state:index:EventState$aws:lambda/function:Function::event-state-function"
    )
    assert (function["inputs"]["timeout"], function["protect"]) == (30, False)
    assert function["inputs"]["code"]["assets"]["function/handler.py"] == {
        "path": str(PROJECT / "function/handler.py")
    }
    assert registered["outputs"]["queueUrl"] == (
        "https://sqs.us-east-1.amazonaws.com/123456789012/event-state-queue-dev"
    )


def test_preview_draws_every_resource_below_the_component() -> None:
    drawn = _run("preview", "--stack", "prod").stdout
    resources = json.loads(_run("preview", "--stack", "prod", "--json").stdout)["resources"]
    lines = drawn.splitlines()
    assert lines[0] == "event-state-prod  us-east-1"
    assert lines[1] == "├── event-state  event-state:index:EventState"
    for resource in resources:
        if resource["type"] == "event-state:index:EventState":
            continue
        assert any(
            re.match(rf"│   [├└]── {resource['name']}  {re.escape(resource['type'])}\b", line)
            for line in lines
        ), resource["urn"]
    assert any(line.endswith("event-state-target-table  protected") for line in lines)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_out_of_range_is_a_usage_error(port: str) -> None:
    result = _run("up", f"--port={port}")
    assert result.returncode == 2
    (problem,) = result.stderr.splitlines()
    assert problem.startswith("error: Invalid value for '--port': ")


def test_help_explains_each_command() -> None:
    text = _run("--help").stdout
    for command in get_command(app).commands:  # type: ignore[attr-defined] # it is a group
        assert re.search(rf"^  {command} +\w.+\.$", text, re.MULTILINE), command
        assert f"Usage: python -m tools {command}" in _run(command, "--help").stdout
