"""The file beside the input that says how much of it is sent."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from examples.producer.batch import Position
from examples.producer.errors import ProducerError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an input has been sent to a queue."""

    queue_url: str
    started: int
    """When its first line was sent, in nanoseconds since 1970: the versions count from here."""
    done: Position
    """Every line up to here is in the queue, or was reported."""


class Checkpoint:
    """Keeps a Progress in a file that is whole at any moment, however the program ends."""

    def __init__(self, source: Path) -> None:
        """source: the input; its progress is kept beside it."""
        self.path = source.with_name(f"{source.name}.progress")

    def load(self) -> Progress | None:
        """Return what the file says; None if there is none.

        Raises:
            ProducerError: it cannot be read, or is no such file.

        """
        try:
            kept = json.loads(self.path.read_bytes())
            return Progress(
                queue_url=str(kept["queue_url"]),
                started=int(kept["started"]),
                done=Position(**kept["done"]),
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ProducerError(f"{self.path} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError, KeyError):
            raise ProducerError(
                f"{self.path} is no progress file; delete it to begin with the first line."
            ) from None

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
