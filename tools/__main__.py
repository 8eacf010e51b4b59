"""The one door to everything around the product: `python -m tools COMMAND`."""

import io
import os
import signal
import sys
import tempfile
from collections.abc import Sequence

from tools.errors import ToolError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 well, 1 a mistake or a broken promise, 2 usage, 130 SIGINT or SIGTERM."""
    # `kill` ends a command as Ctrl-C does, so that both leave nothing behind; and Ctrl-C itself is
    # set because a shell lets its background jobs ignore it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    # What a message holds may be more than the terminal's encoding knows.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        how = "run `make .venv/installed`, then .venv/bin/python -m tools"
        return _fail(f"the package {package} is not installed: {how}")
    except KeyboardInterrupt:
        return 130
    except ToolError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: Sequence[str]) -> int:
    try:
        tempfile.gettempdir()  # without which Pulumi cannot even be imported
    except FileNotFoundError as error:
        raise ToolError(f"Nothing can be written: {error.strerror}.") from None
    from typer.exceptions import TyperException

    from tools.commands import app

    try:
        status = app(arguments or ["--help"], prog_name="python -m tools", standalone_mode=False)
    except TyperException as error:
        return _fail(error.format_message(), error.exit_code)
    sys.stdout.flush()
    return int(status or 0)


def _fail(problem: str, status: int = 1) -> int:
    print(f"error: {problem}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
