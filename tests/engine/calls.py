"""`python -m tests.engine.calls`: writes down which AWS actions the provider needs, in calls.txt.

The engine deploys, looks at, changes and destroys a stack with everything in it; a proxy on
loopback stands before the embedded AWS and names each call. docs/pipelines.md's policies are
checked against the list (tests/test_pipelines.py). Eight minutes.
"""

import json
import re
import sys
from collections.abc import Mapping
from contextlib import closing
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from unittest.mock import patch
from urllib.parse import parse_qs

import botocore.session
import pulumi
from pulumi import automation

import infra.function
from tests.function.server import Conversation, Server, answer
from tests.infra.registered import BOUNDARY, EVERYTHING, KEY, VARIANTS
from tools.emulator import Emulator
from tools.errors import ToolError

from .driver import Engine, engine

LIST: Final = Path(__file__).with_name("calls.txt")
CONFIG: Final = {**VARIANTS[EVERYTHING][1], "protectData": "true"}
# The embedded AWS has no such call; what it would do changes nothing here.
UNKNOWN: Final = {"AssociateKmsKey", "DisassociateKmsKey", "PutLogGroupDeletionProtection"}
# How requests name their service, where IAM's prefix is another.
PREFIXES: Final = {"monitoring": "cloudwatch"}
_ROUTES: Final = [
    (model.http["method"], re.compile(re.sub(r"\{\w+\}", "[^/]+", model.http["requestUri"])), name)
    for service in [botocore.session.get_session().get_service_model("lambda")]
    for name in service.operation_names
    for model in [service.operation_model(name)]
]


def main() -> int:
    """Record, and write the list."""
    with engine() as under, Recorder(under.aws) as recorder:
        calls = recorder.calls
        _point(under, recorder.url)
        _up(under, CONFIG)
        seen = len(calls)
        under.stack.preview(refresh=True)
        reads = set(calls[seen:])
        _change(under)
        under.take(under.stack.destroy)
    lines = [f"{'read ' if call in reads else 'write'} {call}" for call in sorted(set(calls))]
    LIST.write_text("\n".join(lines) + "\n", "utf-8")
    return 0


def _change(under: Engine) -> None:
    """Change whatever the provider has a call of its own for, to and fro."""
    tag = "aws:defaultTags.tags.owner"
    under.stack.set_config(tag, automation.ConfigValue("a"), path=True)
    under.stack.remove_config("kmsKeyArn")
    under.stack.remove_config("permissionsBoundaryArn")
    _up(under, {"logRetentionDays": "7", "batchSize": "5", "functionMemoryMb": "1024"})
    under.stack.remove_config(tag, path=True)
    archive = pulumi.AssetArchive({"function/handler.py": pulumi.StringAsset("pass")})
    with patch.object(infra.function, "source_archive", lambda: archive):
        _up(under, {"kmsKeyArn": f"{KEY}b", "permissionsBoundaryArn": BOUNDARY})
    under.stack.remove_config("alarmEmail")
    _up(under, {"protectData": "false"})
    _up(under, {"functionName": "renamed"})


def _up(under: Engine, config: Mapping[str, str]) -> None:
    step = under.up(config)
    if step.error:
        raise ToolError(step.error)


def _point(under: Engine, endpoint_url: str) -> None:
    """Put the proxy before the embedded AWS, wherever the stack's file names it."""
    config = under.stack.get_all_config()
    (endpoints,) = json.loads(config["aws:endpoints"].value)
    for service in (*endpoints, "kms"):
        value = automation.ConfigValue(endpoint_url)
        under.stack.set_config(f"aws:endpoints[0].{service}", value, path=True)


class Recorder(Server):
    """Stands before the embedded AWS, as a context manager, and notes the calls as they come."""

    def __init__(self, aws: Emulator) -> None:
        super().__init__(None)  # each request goes on to the embedded AWS
        self.RequestHandlerClass = _Recorded
        self.aws = aws
        self.calls: list[str] = []


class _Recorded(Conversation):
    server: Recorder

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        """Ask the embedded AWS, and note the call."""
        body = self.body()
        self.server.calls.append(call := _name(self.command, self.path, self.headers, body))
        if call.partition(":")[2] in UNKNOWN:
            self.connection.sendall(answer())
            return
        with closing(HTTPConnection(self.server.aws.endpoint_url.removeprefix("http://"))) as aws:
            self.connection.sendall(self.forward(aws, self.path, body))

    do_GET = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_POST  # noqa: N815


def _name(method: str, path: str, headers: Message, body: bytes) -> str:
    """Name a call as IAM does, by the four ways in which AWS's protocols tell the operation."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("Authorization", ""))
    service = scope[1] if scope else "?"
    path = path.partition("?")[0]
    if target := headers.get("X-Amz-Target"):
        operation = target.rpartition(".")[2]
    elif "/operation/" in path:
        operation = path.rpartition("/")[2]
    elif named := parse_qs(body.decode("utf-8", "replace")).get("Action"):
        operation = named[0]
    else:
        found = [name for verb, uri, name in _ROUTES if verb == method and uri.fullmatch(path)]
        operation = found[0] if found else f"{method} {path}"
    return f"{PREFIXES.get(service, service)}:{operation}"


if __name__ == "__main__":
    sys.exit(main())
