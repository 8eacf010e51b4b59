"""What a deployed stack is called: its outputs, asked of the Pulumi CLI or read from a file."""

import json
import shutil
import subprocess
from typing import Any, Final, TextIO

from tools.errors import ToolError

_NEEDED: Final = (
    *("queueUrl", "queueArn", "deadLetterQueueUrl"),
    *("tableName", "functionName", "keyAttribute", "versionAttribute"),
)


def of_stack(name: str) -> dict[str, Any]:
    """Ask the Pulumi CLI for the outputs of a stack of the project in this folder.

    Raises ToolError: it is not installed, it refuses, or the stack is not deployed.
    """
    if not shutil.which("pulumi"):
        raise ToolError(
            "The Pulumi CLI is not installed: https://www.pulumi.com/docs/install/. For the "
            "embedded AWS, name the file that `python -m tools up` wrote with --outputs."
        )
    command = ["pulumi", "stack", "output", "--json", "--stack", name, "--non-interactive"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        told = asked.stderr.strip().removeprefix("error: ") or "no reason given"
        raise ToolError(f"`pulumi stack output --stack {name}` failed: {told}")
    return _checked(asked.stdout, f"The stack {name}", f"run `pulumi up --stack {name}`")


def of_file(file: TextIO) -> dict[str, Any]:
    """Read the line that `python -m tools up` prints; raise ToolError if it is something else."""
    how = "keep in it what `python -m tools up` prints when it is ready"
    return _checked(file.read(), file.name, how)


def _checked(text: str, owner: str, fix: str) -> dict[str, Any]:
    try:
        outputs = json.loads(text)
        missing = [name for name in _NEEDED if not isinstance(outputs.get(name), str)]
    except (ValueError, AttributeError):
        raise ToolError(f"{owner} holds no stack outputs: {fix}.") from None
    if missing:
        raise ToolError(f"{owner} has no output {', '.join(missing)}: {fix}.")
    return dict(outputs)
