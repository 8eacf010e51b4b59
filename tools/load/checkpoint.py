"""The file that says how much of a source is sent; it is whole at any moment."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.load.errors import ProducerError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a source has been sent to a queue."""

    queue_url: str
    started: int
    """When its first event was sent, in nanoseconds since 1970: the versions count from here."""
    done: dict[str, Any]
    """What the source needs to go on: all before it is in the queue, or was reported."""


def load(path: Path) -> Progress | None:
    """Return what the file says, None if there is none; raise ProducerError if it is of no use."""
    try:
        progress = Progress(**json.loads(path.read_bytes()))
        return Progress(
            queue_url=progress.queue_url, started=int(progress.started), done={**progress.done}
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProducerError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError):
        raise ProducerError(f"{path} is no progress file; delete it to begin anew.") from None


def save(path: Path, progress: Progress) -> None:
    """Write the file anew and put it into the old one's place, or raise ProducerError."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w") as file:
            json.dump(asdict(progress), file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise ProducerError(
            f"{path} cannot be written: {error.strerror}; without it an interrupted run could not "
            "be resumed."
        ) from None


def remove(path: Path) -> None:
    """Remove the file: all is sent."""
    with contextlib.suppress(OSError):
        path.unlink()
