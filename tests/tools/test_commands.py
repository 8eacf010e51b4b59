"""`python -m tools`, as a person or a script runs it, and how AWS is reached by it."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.utils import should_bypass_proxies
from typer.main import get_command

from tools.__main__ import main
from tools.aws import client, explained
from tools.commands import app
from tools.errors import ToolError
from tools.stacks import PROJECT

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("10.0.0.1", False)],
)
def test_only_other_machines_are_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str, is_here: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    assert should_bypass_proxies(f"http://{host}:4566/1/q") == is_here


@pytest.mark.parametrize("setting", ["NO_PROXY=.amazonaws.com", "NO_PROXY=*", "no_proxy=*"])
def test_what_the_host_reaches_without_a_proxy_stays_so(setting: str) -> None:
    look = """
import tools.aws
from botocore.utils import should_bypass_proxies
print([should_bypass_proxies(f"https://{host}") for host in ("sqs.aws.amazonaws.com", "127.0.0.1")])
"""
    environment = {name: text for name, text in os.environ.items() if "PROXY" not in name.upper()}
    name, _, hosts = setting.partition("=")
    environment |= {"HTTPS_PROXY": "http://proxy.invalid:3128", name: hosts}
    command = [sys.executable, "-c", look]
    told = subprocess.check_output(command, cwd=PROJECT, env=environment, text=True)
    assert told == "[True, True]\n"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "No AWS region is set: set AWS_DEFAULT_REGION."),
        (
            {"AWS_ENDPOINT_URL": "nonsense", "AWS_DEFAULT_REGION": "us-east-1"},
            "AWS cannot be used: Invalid endpoint: nonsense",
        ),
        (
            {"AWS_PROFILE": "nonsense"},
            "AWS cannot be used: The config profile (nonsense) could not be found",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ToolError) as raised, explained():
        client(boto3.Session(), "sqs")
    assert str(raised.value) == words


Captured = pytest.CaptureFixture[str]


def _run(*command: str, cwd: Path = PROJECT) -> tuple[int, str, str]:
    """Return the exit status, and what is on standard output and on standard error."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_up_on_a_taken_port_says_so_and_what_to_do(capsys: Captured) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["up", "--port", str(port)]) == 1
    words = "is taken: stop what listens there, or choose another with --port."
    assert capsys.readouterr() == ("", f"error: Port {port} on 127.0.0.1 {words}\n")


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
    status, out, err = _run(sys.executable, "-m", "tools", "up", "--stack", "test", cwd=tmp_path)
    assert (status, out) == (1, "")
    first, *lines = err.splitlines()
    assert "2 problems" in first
    assert [line.partition(" is ")[0] for line in lines] == ["  - queueName", "  - batchSize"]


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_out_of_range_is_a_usage_error(port: str, capsys: Captured) -> None:
    assert main(["up", f"--port={port}"]) == 2
    (problem,) = capsys.readouterr().err.splitlines()
    assert problem.startswith("error: Invalid value for '--port': ")


def test_help_explains_each_command(capsys: Captured) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    for command in get_command(app).commands:  # type: ignore[attr-defined] # it is a group
        assert re.search(rf"^  {command} +\w.+\.$", text, re.MULTILINE), command
        assert main([command, "--help"]) == 0
        assert f"Usage: python -m tools {command}" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="a shell's pipe")
def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"'{sys.executable}' -m tools preview --json | head -n 1"
    assert _run("/bin/sh", "-c", command) == (0, "{\n", "")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_with_the_programs_packages_alone_it_says_what_to_run(missing: str) -> None:
    code = f"""
import runpy, sys
sys.modules[{missing!r}] = None
sys.argv[1:] = ["preview"]
runpy.run_module("tools", run_name="__main__")
"""
    words = "is not installed: run `make .venv/installed`, then .venv/bin/python -m tools"
    told = (1, "", f"error: the package {missing} {words}\n")
    assert _run(sys.executable, "-c", code) == told
