"""How AWS is reached, and what is said when it is not."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.httpsession import URLLib3Session

from tools.aws import client, emulator_session, explain, explained, is_loopback
from tools.errors import ToolError

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://127.9.9.9/1/q", True),
        ("http://localhost:4566", True),
        ("http://[::1]:4566", True),
        ("https://sqs.us-east-1.amazonaws.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1:4566", False),
    ],
)
def test_this_machine_is_known_by_its_names(url: str, *, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.parametrize(
    ("endpoint_url", "variable", "goes_through"),
    [
        (NOWHERE, None, False),
        (None, NOWHERE, False),
        ("http://10.0.0.1:4566", None, True),
    ],
)
def test_only_other_machines_are_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
    endpoint_url: str | None,
    variable: str | None,
    goes_through: bool,
) -> None:
    proxies: list[dict[str, str] | None] = []
    connect = URLLib3Session.__init__

    def connected(session: URLLib3Session, **options: Any) -> None:
        proxies.append(options["proxies"])
        connect(session, **options)

    monkeypatch.setattr(URLLib3Session, "__init__", connected)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    if variable:
        monkeypatch.setenv("AWS_ENDPOINT_URL", variable)
    client(boto3.Session("a", "b", region_name="us-east-1"), "sqs", endpoint_url)
    assert proxies[-1] == ({"http": "http://proxy.invalid:3128"} if goes_through else {})


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


def test_without_a_region_it_says_what_to_set() -> None:
    with pytest.raises(ToolError, match=r"^No AWS region is set: set AWS_DEFAULT_REGION\.$"):
        client(boto3.Session("a", "b"), "sqs")


def test_an_endpoint_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(ToolError, match=r"^AWS cannot be used: Invalid endpoint: nonsense"):
        client(boto3.Session("a", "b", region_name="us-east-1"), "sqs")


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nonsense")
    found = pytest.raises(ToolError, match=r"^AWS cannot be used: The config profile \(nonsense\)")
    with found, explained():
        boto3.Session()


def test_other_errors_are_not_taken_for_awss() -> None:
    with pytest.raises(ZeroDivisionError), explained():
        _ = 1 / 0


@pytest.mark.parametrize(
    ("code", "operation", "text"),
    [
        (
            "AccessDeniedException",
            "Scan",
            "AWS refuses dynamodb:Scan, which this needs: not you",
        ),
        (
            "AccessDenied",
            "ChangeMessageVisibilityBatch",
            "AWS refuses sqs:ChangeMessageVisibility, which this needs: not you",
        ),
        ("Throttling", "GetItem", "AWS refused GetItem: not you (Throttling)"),
    ],
)
def test_a_refusal_names_what_is_missing(code: str, operation: str, text: str) -> None:
    told: Any = {"Error": {"Code": code, "Message": "not you"}}
    assert explain(ClientError(told, operation)) == text


def test_an_aws_that_does_not_answer_is_named() -> None:
    error = EndpointConnectionError(endpoint_url=NOWHERE)
    assert (
        explain(error) == f'AWS cannot be used: Could not connect to the endpoint URL: "{NOWHERE}"'
    )
