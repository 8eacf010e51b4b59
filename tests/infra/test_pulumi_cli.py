"""The program under the real Pulumi engine and its AWS provider, against the embedded AWS."""

import json
import shutil
import time
from pathlib import Path
from typing import Final

import pytest
from pulumi import automation

from flow.aws import CREDENTIALS
from local.emulator import Emulator
from local.stacks import PROJECT
from local.up import EXAMPLE

PORT: Final = 4566
SECONDS: Final = 30.0

pytestmark = [
    pytest.mark.pulumi_cli,
    pytest.mark.skipif(
        shutil.which("pulumi") is None,
        reason="no pulumi on PATH: https://www.pulumi.com/docs/install/",
    ),
]


def _clone(folder: Path, aws: Emulator) -> None:
    """Copy the program, and point its stack `local` at this embedded AWS."""
    for name in ("infra", "function"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("__main__.py", "Pulumi.yaml", "requirements.txt"):
        shutil.copy(PROJECT / name, folder)
    stack = (PROJECT / "Pulumi.local.yaml").read_text("utf-8")
    (folder / "Pulumi.local.yaml").write_text(
        stack.replace(f"http://127.0.0.1:{PORT}", aws.endpoint_url), "utf-8"
    )
    (folder / ".venv").symlink_to(PROJECT / ".venv")


def test_up_send_read_up_again_and_destroy(tmp_path: Path) -> None:
    project, state = tmp_path / "project", tmp_path / "state"
    project.mkdir()
    state.mkdir()
    with Emulator() as aws:
        _clone(project, aws)
        stack = automation.create_stack(
            "local",
            work_dir=str(project),
            opts=automation.LocalWorkspaceOptions(
                env_vars={
                    **{name.upper(): value for name, value in CREDENTIALS.items()},
                    "PULUMI_BACKEND_URL": state.as_uri(),
                    "PULUMI_CONFIG_PASSPHRASE": "none",
                }
            ),
        )
        outputs = {name: output.value for name, output in stack.up().outputs.items()}

        aws.client("sqs").send_message(QueueUrl=outputs["queueUrl"], MessageBody=EXAMPLE)
        event = json.loads(EXAMPLE)
        dynamodb, item = aws.client("dynamodb"), None
        deadline = time.monotonic() + SECONDS
        while item is None and time.monotonic() < deadline:
            item = dynamodb.get_item(
                TableName=outputs["tableName"], Key={"event_id": {"S": event["event_id"]}}
            ).get("Item")
            time.sleep(0.1)
        assert item == {
            key: {"N": str(value)} if isinstance(value, int) else {"S": value}
            for key, value in event.items()
        }

        stack.up(expect_no_changes=True)
        stack.destroy()
        assert dynamodb.list_tables()["TableNames"] == []
        assert "QueueUrls" not in aws.client("sqs").list_queues()
