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
from functools import partial
from pathlib import Path
from typing import Final

import yaml

from tools.deployed import wait_for
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.stacks import PROJECT

from .driver import config_of_local, need, state_in

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
    *("queueName is 'a b'", "batchSize is 'ten'", "batchWindowSeconds is 301"),
    *("protectData is 'yes'", "kmsKeyArn is 'alias/orders': it must be the ARN of a KMS key"),
)


def prove(say: Callable[[str], None]) -> list[str]:
    """Take the steps; return what was not as promised; raise ToolError if a command fails."""
    need("pulumi-language-python", "pulumi-language-nodejs", "npm")
    broken = []
    with tempfile.TemporaryDirectory() as temporary, Emulator() as aws:
        folder = Path(temporary)
        _lay(folder, aws)
        run, program = partial(_run, folder, say), folder / "shop" / "index.ts"
        run("npm", "install", "--silent", "--no-audit", "--no-fund")
        run("pulumi", "stack", "init", STACK)
        run("pulumi", "package", "add", str(folder / "repository" / "component"))

        program.write_text(MISTAKEN, "utf-8")
        said = run("pulumi", "preview", fails=True)
        broken += [f"the mistake was not told: {each}" for each in SAID if each not in said]
        broken += ["a mistake has a traceback"] * ("Traceback" in said)

        (code,) = re.findall(r"```typescript\n(.+?)```", PAGE, re.S)
        program.write_text(code, "utf-8")
        run("pulumi", "up", "--yes", "--skip-preview")
        outputs = json.loads(run("pulumi", "stack", "output", "--json"))
        event = {"order_id": "o-1", "timestamp": "2025-03-30T01:00:00Z"}
        aws.client("sqs").send_message(
            QueueUrl=outputs["ordersQueueUrl"], MessageBody=json.dumps(event)
        )
        dynamodb, name = aws.client("dynamodb"), outputs["ordersTableName"]
        stored = wait_for(lambda: dynamodb.scan(TableName=name)["Items"], SECONDS)
        if stored != [{key: {"S": value} for key, value in event.items()}]:
            broken.append(f"the event was not stored: {stored}")
        if "protect" not in run("pulumi", "destroy", "--yes", fails=True):
            broken.append("destroy was not refused by protect")
    return broken


def _lay(folder: Path, aws: Emulator) -> None:
    """Lay the repository and beside it a TypeScript program."""
    repository, shop = folder / "repository", folder / "shop"
    for room in ("component", "function", "infra"):
        ignored = shutil.ignore_patterns(".venv", "__pycache__")
        shutil.copytree(PROJECT / room, repository / room, ignore=ignored)
    shutil.copy(PROJECT / "requirements.txt", repository)
    shop.mkdir()
    (shop / "Pulumi.yaml").write_text("name: shop\nruntime: nodejs\n", "utf-8")
    (shop / "package.json").write_text(json.dumps(NODE_PACKAGE), "utf-8")
    given = yaml.safe_load(config_of_local(aws))["config"]
    config = {key: value for key, value in given.items() if key.startswith("aws:")}
    (shop / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}), "utf-8")


def _run(folder: Path, say: Callable[[str], None], *command: str, fails: bool = False) -> str:
    """Run a command in the program's folder; return what it prints."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    began = time.monotonic()
    done = subprocess.run(
        [*command],
        cwd=folder / "shop",
        env={**own, **state_in(folder), "PULUMI_SKIP_UPDATE_CHECK": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    shown = " ".join(command[:3])
    if bool(done.returncode) != fails:
        ended = f"`{shown}` ended with {done.returncode}"
        raise ToolError(f"{ended}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    say(f"{shown}: {time.monotonic() - began:.0f} s")
    return done.stdout + (done.stderr if fails else "")
