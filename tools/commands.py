"""The commands and their options; what each does is in the module of its name."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer
import yaml
from typer import Argument, FileBinaryRead, FileText, Option

import tools.capacity
import tools.demo
import tools.load
import tools.preview
import tools.send
import tools.smoke
import tools.up
from tools.aws import explained
from tools.console import printable
from tools.deployed import Deployed, of_file, of_stack
from tools.emulator import Emulator
from tools.stacks import load_stack
from tools.template import make_template

BODY_SHOWN: Final = 300

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Everything around the program: run it on a local AWS, look at it, load it.",
)

Config = Annotated[str, Option("--stack", metavar="NAME", help="Whose config to use.")]
Port = Option(min=1, max=65535, help="Where the embedded AWS listens.")
Stack = Annotated[str | None, Option(metavar="NAME", help="A stack of this project, on its AWS.")]
Outputs = Annotated[
    FileText | None, Option(metavar="FILE", help="What `tools up` printed.", errors="replace")
]
Json = Annotated[bool, Option("--json", help="Print JSON, with every figure or input.")]


@app.command()
def demo(svg: Path | None = Option(None, help="A file to draw the terminal's text into.")) -> int:
    """Deploy, send events, and check what became of them."""
    return tools.demo.demo(svg)


@app.command()
def up(stack: Config = "local", port: Annotated[int | None, Port] = None) -> None:
    """Deploy a stack to the embedded AWS, and stay until Ctrl-C.

    Prints one line of JSON on standard output when ready: its outputs, endpointUrl and region.
    """
    tools.up.up(stack, port or 0)


@app.command()
def preview(stack: Config = "local", as_json: Json = False) -> None:
    """Show what a stack registers, with no AWS at all."""
    found = load_stack(stack)
    run = tools.preview.preview(found)
    print(tools.preview.to_json(run)) if as_json else tools.preview.show(found, run)


@app.command()
def template(stack: Config = "local") -> None:
    """Print a stack as a CloudFormation template.

    Its parameters say where in S3 the function's code is: zip function/*.py with the folder, put
    the file there, then `aws cloudformation deploy --capabilities CAPABILITY_IAM`.
    """
    body = make_template(load_stack(stack)).body
    yaml.safe_dump(body, sys.stdout, sort_keys=False, allow_unicode=True, width=100)


@app.command()
def emulator(port: Annotated[int, Port] = 4566) -> None:
    """Start the embedded AWS alone, for the real Pulumi CLI."""
    with Emulator(port=port, log=sys.stderr) as aws, suppress(KeyboardInterrupt):
        print(f"The embedded AWS listens on {aws.endpoint_url}. Ctrl-C stops it.", file=sys.stderr)
        aws.wait()


@app.command()
def send(
    event: str = Argument(metavar="EVENT", help="A JSON object."),
    stack: Stack = None,
    outputs: Outputs = None,
) -> int:
    """Send one event, and show what became of it."""
    with _deployed(stack, outputs) as deployed:
        return tools.send.send(deployed, event)


@app.command()
def dead_letters(stack: Stack = None, outputs: Outputs = None) -> None:
    """Show each dead letter with its reason."""
    with _deployed(stack, outputs) as deployed:
        letters = deployed.explained_letters()
    for letter in letters:
        sent = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(letter.sent_at))
        named = f"{letter.event_id}: " if letter.event_id else ""
        reason = letter.reason or "no reason in the log"
        print(printable(f"{sent} {letter.message_id} {named}{reason}"))
        more = "…" if len(letter.body) > BODY_SHOWN else ""
        print(f"    {printable(letter.body[:BODY_SHOWN])}{more}")
    print(f"{len(letters)} dead letters. None is removed.", file=sys.stderr)


@app.command()
def smoke(
    stack: Stack = None,
    outputs: Outputs = None,
    broken: bool = Option(False, "--broken", help="Send a broken one, too: alarms ring."),
) -> int:
    """Check a deployed stack's promises with canaries."""
    with _deployed(stack, outputs) as deployed:
        return tools.smoke.smoke(deployed, broken=broken)


@app.command()
def load(
    queue_url: str = Option(metavar="URL", help="Where to: the stack's output queueUrl."),
    file: FileBinaryRead | None = Argument(
        None, metavar="FILE|-", help="JSON objects, one a line; - is standard input."
    ),
    from_table: str | None = Option(
        None, metavar="TABLE", help="Send a table's items: its name or ARN."
    ),
    key_attribute: str = Option(
        "event_id", metavar="NAME", help="The member that identifies the state."
    ),
) -> None:
    """Send a file's lines or a table's items to a queue."""
    if bool(file) == bool(from_table):
        raise typer.BadParameter("name one of them: FILE, or --from-table TABLE")
    with explained():
        found = tools.load.items(from_table, key_attribute) if from_table else None
        tools.load.load(queue_url, found or tools.load.lines(file or ()), key_attribute)


@app.command()
def capacity(
    rate: float = Option(min=1e-3, max=1e9, help="Events per second."),
    size: int = Option(1, min=1, max=400, help="Of an event, in KB."),
    repeats: float = Option(0, min=0, max=1, help="Share of what is stored already."),
    batch: int = Option(10, min=1, max=10_000, help="batchSize"),
    window: int = Option(0, min=0, max=300, help="batchWindowSeconds"),
    memory: int = Option(512, min=128, max=10_240, help="functionMemoryMb"),
    read_before_write: bool = Option(False, "--read-before-write", help="readBeforeWrite"),
    answer_ms: float = Option(5, min=0.1, max=10_000, help="DynamoDB's answer to a request."),
    as_json: Json = False,
) -> None:
    """Tell what a load needs of AWS, and costs a month."""
    if batch > tools.capacity.SQS_BATCH and not window:
        raise typer.BadParameter("--batch above 10 needs a --window of at least 1, as on AWS")
    settings = (batch, window, memory, read_before_write, answer_ms)
    found = tools.capacity.estimate(tools.capacity.Load(rate, size * 1024, repeats, *settings))
    print(json.dumps(found, indent=2) if as_json else "\n".join(tools.capacity.lines_of(found)))


@contextmanager
def _deployed(stack: str | None, outputs: TextIO | None) -> Iterator[Deployed]:
    """Give the stack that is named, and raise ToolError for what its AWS refuses."""
    if bool(stack) == bool(outputs):
        raise typer.BadParameter("name one of them: --stack NAME, or --outputs FILE")
    with explained():
        yield Deployed(of_stack(stack) if stack else of_file(outputs or sys.stdin))
