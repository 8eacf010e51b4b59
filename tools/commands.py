"""The commands: their options, their help, and where each is done."""

# Each command imports what it needs: help comes at once, and Pulumi, which cannot even be imported
# without a temporary folder, after the check for one.

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Everything around the program: run it on a local AWS, look at it, load it.",
)

Stack = Annotated[str, typer.Option(metavar="NAME", help="Whose config to use.")]
Port = typer.Option(min=1, max=65535, help="Where the embedded AWS listens.")


@app.command()
def demo(
    svg: Annotated[Path | None, typer.Option(help="A file to draw the terminal's text into.")] = None,
) -> int:
    """Deploy, send events, and check what became of them."""
    from tools.demo import demo

    return demo(svg)


@app.command()
def up(
    stack: Stack = "local",
    port: Annotated[int | None, Port] = None,
) -> None:
    """Deploy a stack to the embedded AWS, and stay until Ctrl-C.

    Prints one line of JSON on standard output when ready: the stack's outputs, endpointUrl and
    region. SIGINT or SIGTERM ends it, and leaves nothing behind.
    """
    from tools.up import up

    up(stack, port)


@app.command()
def preview(
    stack: Stack = "local",
    json: Annotated[bool, typer.Option("--json", help="Every input, as JSON.")] = False,
) -> None:
    """Show what a stack registers, with no AWS at all."""
    from tools.preview import preview, show
    from tools.stacks import load_stack

    found = load_stack(stack)
    show(found, preview(found), as_json=json)


@app.command()
def template(stack: Stack = "local") -> None:
    """Print a stack as a CloudFormation template.

    Its parameters say where in S3 the function's code is: zip function/*.py with the folder, put
    the file there, then `aws cloudformation deploy --capabilities CAPABILITY_IAM`.
    """
    from tools.stacks import load_stack
    from tools.template import make_template

    print(make_template(load_stack(stack)).to_yaml(), end="")


@app.command()
def emulator(port: Annotated[int, Port] = 4566) -> None:
    """Start the embedded AWS alone, for the real Pulumi CLI."""
    from tools.emulator import Emulator

    with Emulator(port=port, log=sys.stderr) as aws:
        print(f"The embedded AWS listens on {aws.endpoint_url}. Ctrl-C stops it.", file=sys.stderr)
        try:
            aws.wait()
        except KeyboardInterrupt:
            return
