"""`python -m tools.flow`: a deployed stack from outside."""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from tools.aws import explain
from tools.deployed import Deployed
from tools.errors import ToolError
from tools.flow.watch import watch
from tools.load import ProducerError
from tools.outputs import of_file, of_stack
from tools.send import send
from tools.smoke import smoke

# What a program answers that a signal ended, as shells count: 128 + SIGINT.
INTERRUPTED: Final = 130
BODY_SHOWN: Final = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 well, 1 a mistake or a broken promise, 2 usage."""
    command = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    run: Callable[[Deployed, argparse.Namespace], int] = command.run
    try:
        return run(
            Deployed(of_stack(command.stack) if command.stack else of_file(command.outputs)),
            command,
        )
    except (ToolError, ProducerError) as error:
        problem = str(error)
    except ClientError as error:
        problem = explain(error)
    except BotoCoreError as error:
        problem = f"AWS cannot be used: {error}"
    except KeyboardInterrupt:
        return INTERRUPTED
    print(f"error: {problem}", file=sys.stderr)
    return 1


def _send(flow: Deployed, command: argparse.Namespace) -> int:
    return send(flow, command.body)


def _watch(flow: Deployed, command: argparse.Namespace) -> int:
    watch(flow, threading.Event())
    return 0


def _dead_letters(flow: Deployed, command: argparse.Namespace) -> int:
    letters = sorted(flow.dead_letters(), key=lambda letter: letter.sent_at)
    reasons = flow.reasons(letters[0].sent_at) if letters else {}
    for letter in letters:
        sent = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(letter.sent_at))
        print(
            f"{sent} {letter.message_id} {reasons.get(letter.message_id, 'no reason in the log')}"
        )
        print(f"    {letter.body[:BODY_SHOWN]}{'…' if len(letter.body) > BODY_SHOWN else ''}")
    print(f"{len(letters)} dead letters. None is removed.", file=sys.stderr)
    return 0


def _smoke(flow: Deployed, command: argparse.Namespace) -> int:
    started = time.monotonic()
    broken = smoke(flow, lambda text: print(text, file=sys.stderr))
    print("\n".join(broken) or f"All promises are kept ({time.monotonic() - started:.0f} s).")
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.flow",
        description="Sends to a deployed stack and looks at it: on AWS, as AWS's own environment "
        "and files say, or on the embedded AWS.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("send", _send, "send one event, wait, and show what became of it"),
        ("watch", _watch, "keep a live line: what waits, is stored, superseded, a dead letter"),
        ("dead-letters", _dead_letters, "show each dead letter with its reason, oldest first"),
        ("smoke", _smoke, "send canaries, check each promise, delete them; 1 if one is broken"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.set_defaults(run=run)
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--stack", help="of Pulumi's project in this folder, and its AWS account"
        )
        which.add_argument(
            "--outputs", type=Path, metavar="FILE", help="what `python -m tools up` printed"
        )
        if name == "send":
            command.add_argument("body", metavar="EVENT", help="a JSON object with event_id")
    return parser


if __name__ == "__main__":
    sys.exit(main())
