"""The component as a Pulumi package: the TypeScript program of its page, under the real engine.

It needs the Pulumi CLI with its hosts for Python and Node.js, and npm.
https://www.pulumi.com/docs/iac/guides/building-extending/components/
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from tools.deployed import wait_for
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.stacks import PROJECT

from .driver import CONFIGURED_ENDPOINT

SECONDS: Final = 60.0
STACK: Final = "test"
PAGE: Final = (PROJECT / "component" / "README.md").read_text("utf-8")
NODE_PACKAGE: Final = {
    "name": "shop",
    "main": "index.ts",
    "dependencies": {"@pulumi/pulumi": "^3"},
    "devDependencies": {"@types/node": "^22", "typescript": "^5"},
}
MISTAKEN: Final = """
import * as eventState from "@pulumi/event-state";
new eventState.EventState("orders", {
    batchSize: "ten" as any, batchWindowSeconds: 301, protectData: "yes" as any,
    kmsKeyArn: "alias/orders", queueName: "a b",
});
"""
SAID: Final = (
    "5 problems in the arguments of EventState 'orders'; nothing was made:",
    "queueName is 'a b': it must be 1-76 letters",
    "batchSize is 'ten': it must be a whole number from 1 to 10000",
    "batchWindowSeconds is 301: it must be a whole number from 0 to 300",
    "protectData is 'yes': it must be true or false",
    "kmsKeyArn is 'alias/orders': it must be the ARN of a KMS key",
)

Run = Callable[..., str]


def prove(say: Callable[[str], None]) -> list[str]:
    """Take the steps; return what was not as promised.

    Raises:
        ToolError: a command failed that should not, or npm or a language host is missing.

    """
    for needed in ("pulumi", "pulumi-language-python", "pulumi-language-nodejs", "npm"):
        if shutil.which(needed) is None:
            raise ToolError(f"{needed} is not on PATH: install the Pulumi CLI and Node.js.")
    broken = []
    with tempfile.TemporaryDirectory() as temporary, Emulator() as aws:
        folder, began = Path(temporary), time.monotonic()
        run = _program(folder, aws)
        run("pulumi", "package", "add", str(folder / "repository" / "component"))
        say(f"package add: {time.monotonic() - began:.0f} s with npm and the package's own .venv")

        (folder / "shop" / "index.ts").write_text(MISTAKEN, "utf-8")
        said = run("pulumi", "preview", fails=True)
        broken += [f"the mistake was not told: {each}" for each in SAID if each not in said]
        broken += ["a mistake has a traceback"] * ("Traceback" in said)

        (code,) = re.findall(r"```typescript\n(.+?)```", PAGE, re.S)
        (folder / "shop" / "index.ts").write_text(code, "utf-8")
        began = time.monotonic()
        run("pulumi", "up", "--yes", "--skip-preview")
        say(f"up: {time.monotonic() - began:.0f} s")
        outputs = json.loads(run("pulumi", "stack", "output", "--json"))
        began = time.monotonic()
        event = {"order_id": "o-1", "timestamp": "2025-03-30T01:00:00Z"}
        aws.client("sqs").send_message(
            QueueUrl=outputs["ordersQueueUrl"], MessageBody=json.dumps(event)
        )
        dynamodb, name = aws.client("dynamodb"), outputs["ordersTableName"]
        stored = wait_for(lambda: dynamodb.scan(TableName=name)["Items"], SECONDS)
        say(f"event: {time.monotonic() - began:.1f} s, {stored}")
        if stored != [{key: {"S": value} for key, value in event.items()}]:
            broken.append(f"the event was not stored: {stored}")
        if "protect" not in run("pulumi", "destroy", "--yes", fails=True):
            broken.append("destroy was not refused by protect")
    return broken


def _program(folder: Path, aws: Emulator) -> Run:
    """Lay the repository and beside it a TypeScript program; return what runs a command there."""
    repository, shop, state = folder / "repository", folder / "shop", folder / "state"
    for each in (repository, shop, state):
        each.mkdir()
    for room in ("component", "function", "infra"):
        ignored = shutil.ignore_patterns(".venv", "__pycache__")
        shutil.copytree(PROJECT / room, repository / room, ignore=ignored)
    shutil.copy(PROJECT / "requirements.txt", repository)
    (shop / "Pulumi.yaml").write_text("name: shop\nruntime: nodejs\n", "utf-8")
    (shop / "package.json").write_text(json.dumps(NODE_PACKAGE), "utf-8")
    local = (PROJECT / "Pulumi.local.yaml").read_text("utf-8")
    given = yaml.safe_load(local.replace(CONFIGURED_ENDPOINT, aws.endpoint_url))["config"]
    config = {key: value for key, value in given.items() if key.startswith("aws:")}
    (shop / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}), "utf-8")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "none",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def run(*command: str, fails: bool = False) -> str:
        done = subprocess.run(
            [*command], cwd=shop, env=environment, capture_output=True, text=True, check=False
        )
        if bool(done.returncode) != fails:
            raise ToolError(
                f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout[-3000:]}"
                f"\n{done.stderr[-3000:]}"
            )
        return done.stdout + (done.stderr if fails else "")

    run("npm", "install", "--silent", "--no-audit", "--no-fund")
    run("pulumi", "stack", "init", STACK)
    return run
