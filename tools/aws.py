"""How AWS is reached: the real one as AWS's own settings say, an emulator at its URL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
import botocore.session
from botocore import exceptions
from botocore.config import Config

from tools.errors import ToolError

# What emulators take for the account's root; no secret.
CREDENTIALS: Final = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
CONNECTIONS: Final = 16  # how many requests one client may have under way

# No proxy that the host names stands between a machine and itself.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = f"{os.environ.get(_name, '')},localhost,127.0.0.1,[::1]"


def emulator_session(region: str) -> boto3.Session:
    """Make a session that the host's AWS environment and files cannot lead astray."""
    nowhere = (None, None, os.devnull, None)
    settings = {"config_file": nowhere, "credentials_file": nowhere, "profile": (None,) * 4}
    session = botocore.session.Session(session_vars=settings)
    return boto3.Session(botocore_session=session, region_name=region, **CREDENTIALS)


def client(
    session: boto3.Session, service: str, endpoint_url: str | None = None, *, attempts: int = 3
) -> Any:
    """Make a client of any service that gives up in time.

    endpoint_url: where to reach the service; None leaves that to AWS's own settings.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=CONNECTIONS,
    )
    make: Any = session.client
    try:
        with explained():
            return make(service, endpoint_url=endpoint_url, config=config)
    except ValueError as error:
        raise ToolError(f"AWS cannot be used: {error}") from None


@contextmanager
def explained() -> Iterator[None]:
    """Raise ToolError for what goes wrong with AWS inside the block."""
    try:
        yield
    except exceptions.NoRegionError:
        raise ToolError("No AWS region is set: set AWS_DEFAULT_REGION.") from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        how = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise ToolError(f"{error}: {how}.") from None
    except exceptions.ClientError as error:
        told = error.response["Error"]
        words = f"{told.get('Message', 'no reason given')} ({told.get('Code')})"
        raise ToolError(f"AWS refused {error.operation_name}: {words}") from None
    except exceptions.BotoCoreError as error:
        raise ToolError(f"AWS cannot be used: {error}") from None
