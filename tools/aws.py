"""How a stack's AWS is reached: the real one as AWS's own settings say, an emulator at its URL."""

import os
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

# What emulators take for the account's root; no secret.
CREDENTIALS: Final = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
_SERVICES: Final = {
    "Scan": "dynamodb",
    "GetItem": "dynamodb",
    "DeleteItem": "dynamodb",
    "FilterLogEvents": "logs",
}


def emulator_session(region: str) -> boto3.Session:
    """Make a session that the host's AWS environment and files cannot lead astray."""
    ignored = (None, None, os.devnull, None)
    session = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": ignored,
            "credentials_file": ignored,
        }
    )
    return boto3.Session(botocore_session=session, region_name=region, **CREDENTIALS)


def client(session: boto3.Session, service: str, endpoint_url: str | None = None) -> Any:
    """Make a client of any service that gives up in time.

    endpoint_url: where to reach the service; None leaves that to AWS's own settings.
    """
    return session.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint_url,
        config=Config(
            retries={"mode": "standard"},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=16,
        ),
    )


def explain(error: ClientError) -> str:
    """Say in a sentence what AWS refused, and which permission is missing if that is why."""
    operation, told = error.operation_name, error.response["Error"]
    code, message = told.get("Code", ""), told.get("Message", "")
    if "AccessDenied" in code or code in ("AuthorizationError", "NotAuthorized"):
        action = f"{_SERVICES.get(operation, 'sqs')}:{operation.removesuffix('Batch')}"
        return f"AWS refuses {action}, which this needs: {message}"
    return f"AWS refused {operation}: {message} ({code})"
