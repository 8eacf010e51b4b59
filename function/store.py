"""The table: the one module that talks to AWS."""

import json
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from function.event import Event
from function.outcome import Outcome, Result
from function.version import condition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_PERMANENT = {
    "ValidationException",  # the item is too large, nests too deep, has an attribute without a name
    "ItemCollectionSizeLimitExceededException",
    "SerializationException",
    "413",  # the request is too large to be looked at; the status stands in for the missing code
}
_MENDS = {
    "AccessDeniedException": "allow the function's role dynamodb:PutItem on the table, and its key",
    "ResourceNotFoundException": "create the table, or point TABLE_NAME and the region at it",
    "UnrecognizedClientException": "give the function valid credentials",
    "InvalidSignatureException": "give the function valid credentials",
    "MissingAuthenticationTokenException": "give the function credentials",
}
_REASON_LENGTH = 300


class TableUnusableError(Exception):
    """No event can be stored until someone mends what the message says."""


class Store:
    """The table of events, for writing alone."""

    def __init__(self, client: "DynamoDBClient", table: str, version_attribute: str = "") -> None:
        """Keep what every write needs.

        version_attribute: the attribute that the version guard compares; empty turns it off.
        """
        self._client = client
        self._table = table
        self._version_attribute = version_attribute

    def put(self, event: Event) -> Result:
        """Store an event unless a newer one of its id is stored.

        Written and superseded are DynamoDB's own word; whatever else happened is rejected if it
        would happen again, and failed if not or if unknown. Safe to call from several threads.
        Raises TableUnusableError where no event could be stored.
        """
        try:
            parameters: dict[str, Any] = {"TableName": self._table, "Item": event.item}
            if self._version_attribute:
                parameters |= condition(event.version, self._version_attribute)
            answer = self._client.put_item(**parameters)
        except ClientError as error:
            return _result(error)
        except NoCredentialsError as error:
            raise TableUnusableError(f"{error}: give the function a role") from error
        except BotoCoreError as error:
            return Result(Outcome.FAILED, f"no answer from DynamoDB: {type(error).__name__}")
        except Exception as error:  # whatever it is, DynamoDB confirmed nothing
            return Result(Outcome.FAILED, f"unexpected {type(error).__name__}")
        # To botocore any 200 is success, whatever it says and whoever sent it.
        if "RequestId" not in answer["ResponseMetadata"]:
            return Result(Outcome.FAILED, "an answer that is not DynamoDB's")
        return Result(Outcome.WRITTEN)


def _result(error: ClientError) -> Result:
    code = error.response["Error"].get("Code", "")
    if code == "ConditionalCheckFailedException":
        return Result(Outcome.SUPERSEDED)
    reason = f"{code}: {error.response['Error'].get('Message', '')}"[:_REASON_LENGTH]
    if code in _MENDS:
        raise TableUnusableError(f"{reason}; {_MENDS[code]}") from error
    return Result(Outcome.REJECTED if code in _PERMANENT else Outcome.FAILED, reason)


def connect(connections: int) -> "DynamoDBClient":
    """Return a client for the region, endpoint and credentials of the environment.

    connections: how many threads will use it at once. Three attempts, each with time-outs of
    seconds: DynamoDB answers in milliseconds or not at all, and SQS retries for hours.
    """
    client = botocore.session.get_session().create_client(
        "dynamodb",
        config=Config(
            connect_timeout=1,
            read_timeout=2,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=connections,
            parameter_validation=False,
            user_agent="event-state",  # composing botocore's own per request took 8 % of CPU
        ),
    )
    # The parameters have the form of the request's JSON already, so botocore's walk through the
    # service model is left out: another 6 % of CPU.
    client.meta.events.register("before-parameter-build.dynamodb.PutItem", _take_parameters)
    client.meta.events.register("before-call.dynamodb.PutItem", _give_body)
    return cast("DynamoDBClient", client)


def _take_parameters(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["event_state_body"] = json.dumps(params).encode()
    del params["Item"]


def _give_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = context["event_state_body"]
