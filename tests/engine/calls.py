"""`python -m tests.engine.calls`: writes down which AWS actions the provider needs, in calls.txt.

The engine deploys, looks at, changes and destroys a stack with everything in it; a proxy on
loopback stands before the embedded AWS and names each call. docs/pipelines.md's policies are
checked against the list (tests/test_policies.py). A quarter of an hour.
"""

import json
import re
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import botocore.session
from pulumi import automation

from tools.emulator import Emulator

from .driver import Engine, engine

LIST: Final = Path(__file__).with_name("calls.txt")
ACCOUNT: Final = "000000000000"
EVERYTHING: Final[Mapping[str, str]] = {
    "alarmEmail": "operations@example.com",
    "changeStream": "true",
    "expiryAttribute": "expires_at",
    "managedRetries": "true",
    "maximumConcurrency": "7",
    "permissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "protectData": "true",
    "readBeforeWrite": "true",
}
KEY: Final = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
# The embedded AWS has no such call; what it would do changes nothing here.
UNKNOWN: Final = frozenset(
    {"AssociateKmsKey", "DisassociateKmsKey", "PutLogGroupDeletionProtection"}
)
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
    with engine() as under, _recorded(under.aws) as (endpoint_url, calls):
        _point(under, endpoint_url)
        _deploy(under)
        seen = len(calls)
        under.stack.preview(refresh=True)
        reads = set(calls[seen:])
        _change(under)
        under.destroy()
    lines = [f"{'read ' if call in reads else 'write'} {call}" for call in sorted(set(calls))]
    LIST.write_text("\n".join(lines) + "\n", "utf-8")
    return 0


def _deploy(under: Engine) -> None:
    _take(under, {})
    _take(under, EVERYTHING)


def _change(under: Engine) -> None:
    _take(under, {"kmsKeyArn": KEY, "logRetentionDays": "7", "batchSize": "5"})
    under.stack.remove_config("kmsKeyArn")
    # Another tag, another archive.
    under.stack.set_config("aws:defaultTags.tags.owner", automation.ConfigValue("a"), path=True)
    (Path(under.stack.workspace.work_dir) / "function" / "more.py").write_text("")
    _take(under, {})
    under.stack.remove_config("alarmEmail")
    under.stack.remove_config("permissionsBoundaryArn")
    _take(under, {"protectData": "false"})
    _take(under, {"functionName": "renamed", "tableName": "renamed", "queueName": "renamed"})


def _take(under: Engine, config: Mapping[str, str]) -> None:
    step = under.up(config)
    print(
        f"{step.seconds:.0f} s, {len(step.changes)} changes {step.error[-2000:]}", file=sys.stderr
    )


def _point(under: Engine, endpoint_url: str) -> None:
    """Put the proxy before the embedded AWS, wherever the stack's file names it."""
    config = under.stack.get_all_config()
    (endpoints,) = json.loads(config["aws:endpoints"].value)
    for service in endpoints:
        value = automation.ConfigValue(endpoint_url)
        under.stack.set_config(f"aws:endpoints[0].{service}", value, path=True)


@contextmanager
def _recorded(aws: Emulator) -> Iterator[tuple[str, list[str]]]:
    """Serve a proxy before the embedded AWS; tell its URL, and the calls as they come."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = _name(self.command, self.path, self.headers, body)
            calls.append(call)
            status, headers, answer = (200, {}, b"{}")
            if call.partition(":")[2] not in UNKNOWN:
                asked = urllib.request.Request(
                    aws.endpoint_url + self.path,
                    body if body or self.command != "GET" else None,
                    {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"},
                    method=self.command,
                )
                try:
                    with _DIRECTLY.open(asked) as got:
                        status, headers, answer = got.status, dict(got.headers), got.read()
                except urllib.error.HTTPError as error:
                    status, headers, answer = error.code, dict(error.headers), error.read()
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _forward  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
        server.shutdown()


_DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _name(method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
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
