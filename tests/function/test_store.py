"""The one operation on the table, and what each kind of error means for the message."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from batches import EXAMPLE, EXAMPLE_ITEM, record
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from function.event import Event, parse
from function.outcome import Outcome, Result
from function.store import Store, TableUnusableError, connect

Answer = Callable[[], AWSResponse]


@pytest.fixture
def event() -> Event:
    event = parse(record(EXAMPLE), 0, "timestamp")
    assert isinstance(event, Event)
    return event


class Endpoint:
    """Answers in place of DynamoDB, below boto3's retries and above the network."""

    def __init__(self) -> None:
        self.requests: list[AWSPreparedRequest] = []
        self.answers: list[Answer] = []
        self.client = connect(3)
        send: Any = self._send
        self.client.meta.events.register("before-send.dynamodb.PutItem", send)

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.requests.append(request)
        return self.answers[min(len(self.requests), len(self.answers)) - 1]()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    endpoint = Endpoint()
    yield endpoint
    endpoint.client.close()


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def answer(status: int, body: bytes, request_id: str = "4KBNVRGD25RG1KEO9UT4V3FQDJ") -> Answer:
    headers: Any = {"content-type": "application/x-amz-json-1.0"}
    if request_id:
        headers["x-amzn-requestid"] = request_id
    return lambda: AWSResponse("https://dynamodb", status, headers, _Raw(body))


def error(code: str, message: str = "because", status: int = 400) -> Answer:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return answer(status, json.dumps(body).encode())


def broken(exception: Exception) -> Answer:
    def breaks() -> AWSResponse:
        raise exception

    return breaks


OK = answer(200, b"{}")


@pytest.mark.parametrize("body", [b"{}", b"<html>", b""])
def test_a_200_without_dynamodbs_request_id_confirms_nothing(
    endpoint: Endpoint, event: Event, body: bytes
) -> None:
    endpoint.answers = [answer(200, body, request_id="")]
    assert Store(endpoint.client, "table").put(event) == Result(
        Outcome.FAILED, "an answer that is not DynamoDB's"
    )


def test_an_event_is_written_with_its_guard_in_one_request(
    endpoint: Endpoint, event: Event
) -> None:
    endpoint.answers = [OK]
    assert Store(endpoint.client, "table", "timestamp").put(event) == Result(Outcome.WRITTEN)
    (request,) = endpoint.requests
    assert request.method == "POST"
    assert request.url == "https://dynamodb.us-east-1.amazonaws.com/"
    assert request.headers["X-Amz-Target"] == b"DynamoDB_20120810.PutItem"
    assert "Authorization" in request.headers
    assert json.loads(request.body) == {  # type: ignore[arg-type]
        "TableName": "table",
        "Item": EXAMPLE_ITEM,
        "ConditionExpression": "attribute_not_exists(#version)"
        " OR NOT attribute_type(#version, :string) OR #version < :bound OR #version IN (:v0)",
        "ExpressionAttributeNames": {"#version": "timestamp"},
        "ExpressionAttributeValues": {
            ":string": {"S": "S"},
            ":bound": {"S": "2025-03-30T01:00:00"},
            ":v0": {"S": "2025-03-30T01:00:00Z"},
        },
    }


def test_without_a_guard_the_request_has_no_condition(endpoint: Endpoint, event: Event) -> None:
    endpoint.answers = [OK]
    assert Store(endpoint.client, "table").put(event) == Result(Outcome.WRITTEN)
    body: Any = endpoint.requests[0].body
    assert json.loads(body) == {"TableName": "table", "Item": EXAMPLE_ITEM}


def test_an_event_is_left_as_it_was_for_the_next_try(endpoint: Endpoint, event: Event) -> None:
    endpoint.answers = [OK]
    Store(endpoint.client, "table").put(event)
    assert event.item == EXAMPLE_ITEM


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (error("ConditionalCheckFailedException"), Result(Outcome.SUPERSEDED)),
        (
            error("ValidationException", "Item size has exceeded"),
            Result(Outcome.REJECTED, "ValidationException: Item size has exceeded"),
        ),
        (
            error("ItemCollectionSizeLimitExceededException"),
            Result(Outcome.REJECTED, "ItemCollectionSizeLimitExceededException: because"),
        ),
        (
            error("SerializationException"),
            Result(Outcome.REJECTED, "SerializationException: because"),
        ),
        (answer(413, b"too large"), Result(Outcome.REJECTED, "413: too large")),
        (
            error("ValidationException", "x" * 999),
            Result(Outcome.REJECTED, "ValidationException: " + "x" * 279),
        ),
        (
            error("ExpiredTokenException"),
            Result(Outcome.FAILED, "ExpiredTokenException: because"),
        ),
        (error("NeverHeardOf"), Result(Outcome.FAILED, "NeverHeardOf: because")),
        (answer(404, b""), Result(Outcome.FAILED, "404: ")),
    ],
)
def test_an_error_that_would_come_again_is_not_retried(
    endpoint: Endpoint, event: Event, given: Answer, result: Result
) -> None:
    endpoint.answers = [given]
    assert Store(endpoint.client, "table", "timestamp").put(event) == result
    assert len(endpoint.requests) == 1


THROTTLES = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        *((error(code), f"{code}: because") for code in THROTTLES),
        (error("InternalServerError", status=500), "InternalServerError: because"),
        (error("ServiceUnavailable", status=503), "ServiceUnavailable: because"),
        (
            broken(ReadTimeoutError(endpoint_url="x")),
            "no answer from DynamoDB: ReadTimeoutError",
        ),
        (
            broken(ConnectTimeoutError(endpoint_url="x")),
            "no answer from DynamoDB: ConnectTimeoutError",
        ),
        (
            broken(EndpointConnectionError(endpoint_url="x")),
            "no answer from DynamoDB: EndpointConnectionError",
        ),
    ],
)
def test_a_transient_error_fails_after_three_attempts(
    endpoint: Endpoint, event: Event, given: Answer, reason: str
) -> None:
    endpoint.answers = [given]
    assert Store(endpoint.client, "table").put(event) == Result(Outcome.FAILED, reason)
    assert len(endpoint.requests) == 3


def test_a_retry_sends_the_same_body(endpoint: Endpoint, event: Event) -> None:
    endpoint.answers = [error("ThrottlingException"), error("X", status=500), OK]
    assert Store(endpoint.client, "table").put(event) == Result(Outcome.WRITTEN)
    assert [request.body for request in endpoint.requests] == [endpoint.requests[0].body] * 3


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        (
            "AccessDeniedException",
            "allow the function's role dynamodb:PutItem on the table, and its key",
        ),
        (
            "ResourceNotFoundException",
            "create the table, or point TABLE_NAME and the region at it",
        ),
        ("UnrecognizedClientException", "give the function valid credentials"),
        ("InvalidSignatureException", "give the function valid credentials"),
        ("MissingAuthenticationTokenException", "give the function credentials"),
    ],
)
def test_a_table_out_of_reach_raises_what_to_mend(
    endpoint: Endpoint, event: Event, code: str, mend: str
) -> None:
    endpoint.answers = [error(code)]
    with pytest.raises(TableUnusableError) as raised:
        Store(endpoint.client, "table").put(event)
    assert str(raised.value) == f"{code}: because; {mend}"
    assert len(endpoint.requests) == 1


def test_missing_credentials_raise_what_to_mend(endpoint: Endpoint, event: Event) -> None:
    endpoint.answers = [broken(NoCredentialsError())]
    with pytest.raises(TableUnusableError) as raised:
        Store(endpoint.client, "table").put(event)
    assert str(raised.value) == "Unable to locate credentials: give the function a role"


@pytest.mark.parametrize("surprise", [KeyError("x"), MemoryError(), RecursionError()])
def test_a_surprise_fails_and_is_never_acknowledged(
    endpoint: Endpoint, event: Event, surprise: Exception
) -> None:
    endpoint.answers = [broken(surprise)]
    result = Store(endpoint.client, "table").put(event)
    assert result == Result(Outcome.FAILED, f"unexpected {type(surprise).__name__}")


def test_an_error_without_code_and_message_fails(endpoint: Endpoint, event: Event) -> None:
    endpoint.answers = [broken(ClientError({"Error": {}}, "PutItem"))]
    assert Store(endpoint.client, "table").put(event) == Result(Outcome.FAILED, ": ")


def test_the_client_waits_for_seconds_and_has_a_connection_per_worker(endpoint: Endpoint) -> None:
    config: Any = endpoint.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.max_pool_connections == 3
    assert config.user_agent == "event-state"


def test_the_client_goes_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    client = connect(1)
    assert (client.meta.region_name, client.meta.endpoint_url) == (
        "eu-central-1",
        "http://127.0.0.1:9",
    )
    client.close()
