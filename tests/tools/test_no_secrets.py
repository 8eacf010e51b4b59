"""Neither the log, nor what is shipped, nor what is printed tells a secret."""

import io
import json
import re
import zipfile

import pytest

from tests.conftest import Deployment
from tools.deployed import wait_for
from tools.preview import preview, to_json
from tools.stacks import PROJECT, load_stack
from tools.template import make_template

SECONDS = 90.0  # a failed message may wait half a minute for its next delivery
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
SECRET = re.compile(r"(?i)(?:secret_?access_?key|session_?token|password)\W{1,5}[A-Za-z0-9/+]{16,}")
ACCOUNT = re.compile(r"(?<![\d.])\d{12}(?![\d.])")
# Its last twelve digits may be decimal by chance, as those of an account are.
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What AWS's own documentation, the preview, the template and the embedded AWS use: nobody's.
NOBODYS = re.compile(r"123456789012|111111111111|000000000000|404142434445|\w*EXAMPLE(?:KEY)?")


def _secrets(text: str) -> list[str]:
    text = UUID.sub("", text)
    patterns = (ACCESS_KEY, PRIVATE_KEY, SECRET, ACCOUNT)
    found = [match[0] for pattern in patterns for match in pattern.finditer(text)]
    return [each for each in found if not NOBODYS.search(each)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("key AKIAIOSFODNN7ABCDEFG", 1),
        ("key AKIAIOSFODNN7EXAMPLE", 0),
        ("arn:aws:sqs:us-east-1:210987654321:q", 1),
        ("arn:aws:sqs:us-east-1:123456789012:q", 0),
        ("RequestId: 7a5026a7-61e4-428b-af32-740997339618", 0),
        ("-----BEGIN RSA PRIVATE KEY-----", 1),
        ('aws_secret_access_key = "wJalrXUtnFEMIK7MDENGbPxRfiCYzzzzzzzKEY"', 1),
    ],
)
def test_the_patterns_find_what_they_look_for(text: str, count: int) -> None:
    assert len(_secrets(text)) == count


def test_what_is_shipped_registered_or_kept_here_holds_no_secret_and_no_account() -> None:
    texts = {name: to_json(preview(load_stack(name))) for name in ("dev", "local", "prod")}
    with zipfile.ZipFile(io.BytesIO(make_template(load_stack("prod")).code)) as archive:
        for name in archive.namelist():
            assert re.fullmatch(r"function/\w+\.py", name)
            texts[f"zip {name}"] = archive.read(name).decode()
    folders = ("infra", "function", "tools", "docs", ".github")
    files = [
        *PROJECT.glob("*.*"),
        *(path for each in folders for path in (PROJECT / each).rglob("*")),
    ]
    kinds = {".py", ".yaml", ".yml", ".md", ".toml"}
    texts |= {str(path): path.read_text("utf-8") for path in files if path.suffix in kinds}
    assert len(texts) > 40
    assert {name: found for name, text in texts.items() if (found := _secrets(text))} == {}


def test_the_log_tells_nothing_of_what_a_message_holds(deployment: Deployment) -> None:
    mark, flow = "log-secret-7f3a", deployment.deployed
    bodies = [
        f"{mark} is no JSON",
        json.dumps({"event_id": "quiet-2", "timestamp": f"{mark}", "token": mark}),
        f'{{"event_id":"quiet-3","{mark}":NaN}}',
        json.dumps({"event_id": "quiet-4", mark: "x" * 450_000}),
    ]
    _, *sent = flow.send([json.dumps({"event_id": "quiet-1", "token": mark}), *bodies])
    assert wait_for(lambda: flow.reasons().keys() >= {*sent}, SECONDS)  # each broken one has a line
    pages = flow.client("logs").get_paginator("filter_log_events")
    group = f"/aws/lambda/{deployment.outputs['functionName']}"
    text = "\n".join(pages.paginate(logGroupName=group).search("events[].message"))
    assert sent[0] in text
    assert mark not in text
    assert _secrets(text) == []
