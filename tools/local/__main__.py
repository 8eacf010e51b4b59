"""`python -m tools.local`: the same program on an embedded AWS, with no Docker and no account."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.errors import ToolError

# Each command imports what it needs: help comes at once, and Pulumi, which cannot even be imported
# without a temporary folder, after the check for one.

# What a program answers that a signal ended, as shells count: 128 + SIGINT.
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 well, 1 a mistake or a broken promise, 2 usage."""
    command = _parser().parse_args(arguments)
    # `kill` ends a command as Ctrl-C does, so that both leave nothing behind; and Ctrl-C itself is
    # set because a shell lets its background jobs ignore it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        _check_temporary_folder()
        status: int = command.run(command)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _check_temporary_folder() -> None:
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise ToolError(f"Nothing can be written: {error.strerror}.") from None


def _preview(command: argparse.Namespace) -> int:
    from rich.console import Console

    from tools.local.preview import as_json, as_tree, preview
    from tools.local.stacks import load_stack

    stack = load_stack(command.stack)
    registered = preview(stack)
    if command.json:
        print(as_json(registered))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 200  # whole lines into a pipe or a file
        console.print(as_tree(stack, registered))
    return 0


def _up(command: argparse.Namespace) -> int:
    from tools.local.up import up

    return up(command.stack, command.port)


def _demo(command: argparse.Namespace) -> int:
    from tools.local.demo import demo

    return demo(command.svg)


def _emulator(command: argparse.Namespace) -> int:
    from tools.local.emulator import Emulator

    with Emulator(port=command.port, log=sys.stderr) as aws:
        print(
            f"The embedded AWS listens on {aws.endpoint_url}. Ctrl-C stops it.",
            file=sys.stderr,
            flush=True,
        )
        try:
            aws.wait()
        except KeyboardInterrupt:
            return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.local",
        description="Runs the Pulumi program of this folder without the Pulumi engine and without "
        "AWS: its resources are created in MiniStack, an AWS emulator, on loopback.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "demo",
        help="deploy, send events that people can follow, and check what became of them",
        description="Deploys the stack `local`, sends it good, repeated, disordered and broken "
        "events, and shows the table beside what was sent. Exit status 1 if a promise is broken.",
    )
    command.add_argument("--svg", type=Path, help="a file to draw the terminal's text into")
    command.set_defaults(run=_demo)

    command = commands.add_parser(
        "up",
        help="deploy a stack and stay until Ctrl-C",
        description="Starts the embedded AWS and deploys the stack to it. Prints one line of JSON "
        "on standard output when ready: the stack's outputs, endpointUrl and region. Stays until "
        "SIGINT or SIGTERM, then leaves nothing behind.",
    )
    command.add_argument("--stack", default="local", help="whose config to use (%(default)s)")
    command.add_argument("--port", type=_port, help="where AWS will listen (any free port)")
    command.set_defaults(run=_up)

    command = commands.add_parser(
        "preview",
        help="show what a stack registers, with no AWS at all",
        description="Runs the program for a stack and shows the resources it registers.",
    )
    command.add_argument("--stack", default="local", help="whose config to use (%(default)s)")
    command.add_argument("--json", action="store_true", help="every input, as JSON")
    command.set_defaults(run=_preview)

    command = commands.add_parser(
        "emulator",
        help="the embedded AWS alone, for `pulumi up -s local` with the real Pulumi CLI",
        description="Starts the embedded AWS with nothing in it, and stays until Ctrl-C.",
    )
    command.add_argument("--port", type=_port, default=4566, help="where it listens (%(default)s)")
    command.set_defaults(run=_emulator)
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a whole number from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
