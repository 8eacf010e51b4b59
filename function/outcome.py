"""What became of a message."""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """The five ends of a message; the first three acknowledge it."""

    WRITTEN = "written"
    SUPERSEDED = "superseded"
    """A newer event of its id is stored; or, append-only, the same one."""
    COALESCED = "coalesced"
    """It shares the fate of another event of its id in the same batch."""
    REJECTED = "rejected"
    """It can never be stored."""
    FAILED = "failed"
    """It was not confirmed as stored, and may be on redelivery."""

    @property
    def acknowledges(self) -> bool:
        """Whether SQS may delete the message."""
        return self not in (Outcome.REJECTED, Outcome.FAILED)


class Result(NamedTuple):
    """An outcome, and for people its reason if the message is not acknowledged."""

    outcome: Outcome
    reason: str = ""
    is_table_unusable: bool = False
    """Whether no event can be stored until someone fixes what the reason says."""


class Results(dict[int, Result]):
    """What became of a batch's events, by their arrival, as far as it is known."""

    unusable: Result | None = None
    """What happens to all the others, once the table proved unusable."""


class RejectedError(Exception):
    """Why a message can never be stored: for people, and telling no more of it than its form."""
