"""The file that says how much of a source is sent."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from producer.errors import ProducerError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a source has been sent to a queue."""

    queue_url: str
    started: int
    """When its first event was sent, in nanoseconds since 1970: the versions count from here."""
    done: dict[str, Any]
    """What the source needs to go on: all before it is in the queue, or was reported."""


class Checkpoint:
    """Keeps a Progress in a file that is whole at any moment, however the program ends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Progress | None:
        """Return what the file says; None if there is none.

        Raises:
            ProducerError: it cannot be read, or is no such file.

        """
        try:
            progress = Progress(**json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ProducerError(f"{self.path} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError):
            raise self.damaged() from None
        if not isinstance(progress.started, int) or not isinstance(progress.done, dict):
            raise self.damaged()
        return progress

    def damaged(self) -> ProducerError:
        """Return the error that the file is of no use."""
        return ProducerError(f"{self.path} is no progress file; delete it to begin anew.")

    def save(self, progress: Progress) -> None:
        """Write the file anew, and put it into the old one's place in one step.

        Raises:
            ProducerError: it cannot be written.

        """
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            with new.open("w") as file:
                json.dump(asdict(progress), file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            raise ProducerError(
                f"{self.path} cannot be written: {error.strerror}; without it an interrupted run "
                "could not be resumed."
            ) from None

    def remove(self) -> None:
        """Remove the file: all is sent."""
        with contextlib.suppress(OSError):
            self.path.unlink()
