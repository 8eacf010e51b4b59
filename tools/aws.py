"""How AWS is reached: the real one as AWS's own settings say, an emulator at its URL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.errors import ToolError

CREDENTIALS: Final = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
"""What emulators take for the account's root; no secret."""
CONNECTIONS: Final = 16
"""How many requests one client may have under way."""
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def emulator_session(region: str) -> boto3.Session:
    """Make a session that the host's AWS environment and files cannot lead astray."""
    ignored = (None, None, os.devnull, None)
    settings = {"config_file": ignored, "credentials_file": ignored, "profile": (None,) * 4}
    session = botocore.session.Session(session_vars=settings)
    return boto3.Session(botocore_session=session, region_name=region, **CREDENTIALS)


def client(
    session: boto3.Session, service: str, endpoint_url: str | None = None, *, attempts: int = 3
) -> Any:
    """Make a client of any service that gives up in time, and needs no proxy for this machine.

    endpoint_url: where to reach the service; None leaves that to AWS's own settings.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=CONNECTIONS,
    )

    def make(config: Config) -> Any:
        return session.client(service, endpoint_url=endpoint_url, config=config)  # type: ignore[call-overload]

    with explained():
        made = make(config)
        # Asked of the client, for AWS's own settings name endpoints, too.
        if urlsplit(made.meta.endpoint_url).hostname in _LOOPBACK:
            made = make(config.merge(Config(proxies={})))
        return made


@contextmanager
def explained() -> Iterator[None]:
    """Raise ToolError for what goes wrong with AWS, or with its settings, inside the block."""
    try:
        yield
    except (BotoCoreError, ClientError, ValueError) as error:
        raise ToolError(explain(error)) from None


def explain(error: Exception) -> str:
    """Say in a sentence what AWS refused or what it lacks."""
    if isinstance(error, ClientError):
        told = error.response["Error"]
        return f"AWS refused {error.operation_name}: {told.get('Message')} ({told.get('Code')})"
    return f"AWS cannot be used: {error} (AWS_PROFILE and AWS_DEFAULT_REGION say how)"
