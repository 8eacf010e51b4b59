"""`python -m tools.local up`: deploy a stack to the embedded AWS, and stay."""

import json
import shlex
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console

from tools.aws import CREDENTIALS
from tools.local.deployer import Deployer
from tools.local.emulator import Emulator
from tools.local.preview import preview
from tools.local.program import run, uninterrupted
from tools.local.stacks import load_stack

# Where the commands that are shown keep the line that `up` prints.
OUTPUTS_FILE: Final = "local.json"
EXAMPLE: Final = (
    '{"event_id":"evt-1001","user_id":42,"status":"active","timestamp":"2025-03-30T01:00:00Z"}'
)


def up(stack_name: str, port: int | None) -> int:
    """Print one line of JSON when ready: stack outputs, endpointUrl, region. Then stay."""
    say = Console(stderr=True, soft_wrap=True, highlight=False).print
    stack = load_stack(stack_name)
    try:
        with uninterrupted():
            preview(stack)  # a wrong config stops here, before anything is started
        with Emulator(port=port, region=stack.region, log=sys.stderr) as aws:
            say(f"The embedded AWS listens on {aws.endpoint_url}")
            started = time.monotonic()
            with uninterrupted():
                deployed = run(stack, Deployer(aws, stack))
            say(
                f"Deployed stack {stack.name}: {len(deployed.resources)} resources "
                f"in {time.monotonic() - started:.1f} s"
            )
            ready = {**deployed.outputs, "endpointUrl": aws.endpoint_url, "region": stack.region}
            print(json.dumps(ready), flush=True)
            say(f"\nWith that line in a file, {OUTPUTS_FILE}, send an event of your own:\n")
            say(f"{commands_to_try(ready)}\n")
            say("Ctrl-C stops it, and everything in it is gone.")
            aws.wait()
    except KeyboardInterrupt:
        return 0  # the way it is meant to end
    return 0


def commands_to_try(ready: Mapping[str, Any]) -> str:
    """Write the commands that send one's own event and read its item, from what `up` prints."""
    send = f".venv/bin/python -m tools send --outputs {OUTPUTS_FILE} {shlex.quote(EXAMPLE)}"
    variables = " ".join(f"{name.upper()}={value}" for name, value in CREDENTIALS.items())
    aws = f"aws --endpoint-url {ready['endpointUrl']} --region {ready['region']}"
    key = json.dumps({"event_id": {"S": json.loads(EXAMPLE)["event_id"]}})
    return (
        f"  {send}\n\n"
        f"or with the AWS CLI:\n\n"
        f"  export {variables}\n"
        f"  {aws} sqs send-message --queue-url {ready['queueUrl']}"
        f" --message-body {shlex.quote(EXAMPLE)}\n"
        f"  {aws} dynamodb get-item --table-name {ready['tableName']} --key {shlex.quote(key)}"
    )
