"""The one door to everything around the product: `python -m tools COMMAND`."""

import io
import signal
import sys
import tempfile
from collections.abc import Sequence
from typing import Final

from tools.errors import ToolError

INTERRUPTED: Final = 130
"""What a program answers that a signal ended, as shells count: 128 + SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 well, 1 a mistake or a broken promise, 2 usage."""
    try:
        from typer._click.exceptions import ClickException  # typer has no public name for it

        from tools.commands import app
    except ModuleNotFoundError as error:
        print(
            f"error: the package {error.name} is not installed: run `make .venv/installed`, then "
            ".venv/bin/python -m tools",
            file=sys.stderr,
        )
        return 1
    # `kill` ends a command as Ctrl-C does, so that both leave nothing behind; and Ctrl-C itself is
    # set because a shell lets its background jobs ignore it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    # What a message holds may be more than the terminal's encoding knows.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _check_temporary_folder()
        return int(app(arguments, prog_name="python -m tools", standalone_mode=False) or 0)
    except ClickException as error:
        error.show()
        return error.exit_code
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _check_temporary_folder() -> None:
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise ToolError(f"Nothing can be written: {error.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())
