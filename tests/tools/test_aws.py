"""How AWS is reached, and what is said when it is not."""

import os
import subprocess
import sys
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.utils import should_bypass_proxies

from tools.aws import client, emulator_session, explained
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


def test_the_hosts_settings_do_not_reach_an_emulators_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nonsense")
    monkeypatch.setenv("AWS_CONFIG_FILE", __file__)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    session = emulator_session("us-east-1")
    assert client(session, "sqs", NOWHERE).meta.region_name == "us-east-1"
    credentials: Any = session.get_credentials()
    assert (credentials.access_key, credentials.secret_key) == ("test", "test")


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


REFUSAL: Any = {"Error": {"Code": "Throttling", "Message": "not you"}}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClientError(REFUSAL, "GetItem"), "AWS refused GetItem: not you (Throttling)"),
        (
            EndpointConnectionError(endpoint_url=NOWHERE),
            f'AWS cannot be used: Could not connect to the endpoint URL: "{NOWHERE}"',
        ),
        (
            NoCredentialsError(),
            "Unable to locate credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY.",
        ),
    ],
)
def test_what_aws_refuses_is_one_sentence(error: Exception, text: str) -> None:
    with pytest.raises(ToolError) as raised, explained():
        raise error
    assert str(raised.value) == text
