"""`python -m tools up`: deploy a stack to the embedded AWS, and stay."""

import json
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from botocore.exceptions import WaiterError

from tools.aws import CREDENTIALS
from tools.cloudformation import CODE_PARAMETERS
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.groups import EXAMPLE
from tools.stacks import load_stack
from tools.template import Template, make_template

# Where the commands that are shown keep the line that `up` prints.
OUTPUTS_FILE: Final = "local.json"


def up(stack_name: str, port: int) -> None:
    """Print one line of JSON when ready: stack outputs, endpointUrl, region. Then stay."""
    stack = load_stack(stack_name)
    with suppress(KeyboardInterrupt):  # the way it is meant to end
        template = make_template(stack)  # a wrong config stops here, before anything is started
        with Emulator(port=port, region=stack.region, log=sys.stderr) as aws:
            started = time.monotonic()
            outputs = deploy(aws, template)
            ready = {**outputs, "endpointUrl": aws.endpoint_url, "region": stack.region}
            print(json.dumps(ready), flush=True)
            seconds = time.monotonic() - started
            print(
                f"Deployed stack {stack.name} to the embedded AWS in {seconds:.1f} s.\n"
                f"\nWith that line in a file, {OUTPUTS_FILE}, send an event of your own:\n"
                f"\n{_commands_to_try(ready)}\n\nCtrl-C stops it, and everything in it is gone.",
                file=sys.stderr,
            )
            aws.wait()


def deploy(aws: Emulator, template: Template) -> dict[str, str]:
    """Create the template's stack in the embedded AWS; return its outputs.

    MiniStack's CloudFormation leaves out what no event depends on there: point-in-time recovery,
    customer keys, expiry, permissions boundary, the mapping's metrics and tags, and the log group's
    deletion protection.
    """
    s3, cloudformation = aws.client("s3"), aws.client("cloudformation")
    code = dict(zip(CODE_PARAMETERS, ("event-state-code", "code.zip"), strict=True))
    s3.create_bucket(Bucket=code["CodeS3Bucket"])
    s3.put_object(Bucket=code["CodeS3Bucket"], Key=code["CodeS3Key"], Body=template.code)
    name = cloudformation.create_stack(
        StackName="event-state",
        TemplateBody=json.dumps(template.body),
        Parameters=[{"ParameterKey": key, "ParameterValue": each} for key, each in code.items()],
        Capabilities=["CAPABILITY_IAM"],
    )["StackId"]
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
        )
    except WaiterError:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        first = [each for each in events if each["ResourceStatus"] == "CREATE_FAILED"][-1]
        raise ToolError(
            f"The embedded AWS refused {first['LogicalResourceId']} ({first['ResourceType']}): "
            f"{first.get('ResourceStatusReason', 'without a reason')}"
        ) from None
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def _commands_to_try(ready: Mapping[str, Any]) -> str:
    variables = " ".join(f"{name.upper()}={value}" for name, value in CREDENTIALS.items())
    example = shlex.quote(EXAMPLE.replace('"event_id"', json.dumps(ready["keyAttribute"])))
    return f"""\
  .venv/bin/python -m tools send --outputs {OUTPUTS_FILE} \\
    {example}

The AWS CLI reaches it after

  export {variables} \\
    AWS_ENDPOINT_URL={ready["endpointUrl"]} AWS_DEFAULT_REGION={ready["region"]}"""
