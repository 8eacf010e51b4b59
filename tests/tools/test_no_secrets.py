"""Neither the log, nor what is shipped, nor what is printed tells a secret."""

import io
import json
import re
import time
import zipfile
from typing import Any

import pytest

from tests.conftest import Deployment
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
# What AWS's own documentation, the preview and the embedded AWS use: nobody's.
NOBODYS = re.compile(r"123456789012|111111111111|000000000000|\w*EXAMPLE(?:KEY)?")


def _secrets(text: str) -> list[str]:
    text = UUID.sub("", text)
    patterns = (ACCESS_KEY, PRIVATE_KEY, SECRET, ACCOUNT)
    found = [match[0] for pattern in patterns for match in pattern.finditer(text)]
    return [each for each in found if not NOBODYS.search(each)]


def test_the_patterns_find_what_they_look_for() -> None:
    assert _secrets("key AKIAIOSFODNN7ABCDEFG") == ["AKIAIOSFODNN7ABCDEFG"]
    assert _secrets("key AKIAIOSFODNN7EXAMPLE") == []
    assert _secrets("arn:aws:sqs:us-east-1:210987654321:q") == ["210987654321"]
    assert _secrets("RequestId: 7a5026a7-61e4-428b-af32-740997339618") == []
    assert _secrets("-----BEGIN RSA PRIVATE KEY-----")
    assert _secrets('aws_secret_access_key = "wJalrXUtnFEMIK7MDENGbPxRfiCYzzzzzzzKEY"')
    assert _secrets("arn:aws:sqs:us-east-1:123456789012:q") == []


def test_the_archive_holds_no_secret_and_no_account() -> None:
    with zipfile.ZipFile(io.BytesIO(make_template(load_stack("prod")).code)) as archive:
        names = archive.namelist()
        assert names
        for name in names:
            assert re.fullmatch(r"function/\w+\.py", name)
            assert _secrets(archive.read(name).decode()) == []


@pytest.mark.parametrize("stack", ["dev", "local", "prod"])
def test_what_a_stack_registers_and_puts_out_holds_no_secret(stack: str) -> None:
    assert _secrets(to_json(preview(load_stack(stack)))) == []


def test_the_projects_own_files_hold_no_secret() -> None:
    folders = ("infra", "function", "tools", "docs", ".github")
    files = [
        *PROJECT.glob("*.*"),
        *(path for folder in folders for path in (PROJECT / folder).rglob("*")),
    ]
    texts = [path for path in files if path.suffix in {".py", ".yaml", ".yml", ".md", ".toml"}]
    assert len(texts) > 20
    assert {str(path): found for path in texts if (found := _secrets(path.read_text()))} == {}


def test_the_log_tells_nothing_of_what_a_message_holds(deployment: Deployment) -> None:
    mark = "log-secret-7f3a"
    bodies = [
        json.dumps({"event_id": "quiet-1", "token": mark}),
        f"{mark} is no JSON",
        json.dumps({"event_id": "quiet-2", "timestamp": f"{mark}", "token": mark}),
        f'{{"event_id":"quiet-3","{mark}":NaN}}',
        json.dumps({"event_id": "quiet-4", mark: "x" * 450_000}),
    ]
    sqs = deployment.aws.client("sqs")
    sent = {
        sqs.send_message(QueueUrl=deployment.outputs["queueUrl"], MessageBody=body)["MessageId"]
        for body in bodies[1:]
    }
    sqs.send_message(QueueUrl=deployment.outputs["queueUrl"], MessageBody=bodies[0])
    text, told = "", set[Any]()
    deadline = time.monotonic() + SECONDS
    while not told >= sent and time.monotonic() < deadline:
        messages = _log(deployment)
        text = "\n".join(messages)
        told = {json.loads(each).get("messageId") for each in messages if each.startswith("{")}
        time.sleep(0.05)
    assert told >= sent  # each broken message has its line
    assert mark not in text
    assert _secrets(text) == []


def _log(deployment: Deployment) -> list[str]:
    pages = (
        deployment.aws.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=f"/aws/lambda/{deployment.outputs['functionName']}")
    )
    return [event["message"] for page in pages for event in page["events"]]
