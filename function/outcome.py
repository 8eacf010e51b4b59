"""What became of a message."""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """The five ends of a message; the first three acknowledge it, the others leave it in SQS."""

    WRITTEN = "written"
    SUPERSEDED = "superseded"
    """A newer event of its id is stored."""
    COALESCED = "coalesced"
    """A newer event of its id in the same batch was written or superseded."""
    REJECTED = "rejected"
    """It can never be stored."""
    FAILED = "failed"
    """It was not confirmed as stored, and may be on redelivery."""

    @property
    def acknowledges(self) -> bool:
        """Whether SQS may delete the message."""
        return self not in (Outcome.REJECTED, Outcome.FAILED)


class Result(NamedTuple):
    """An outcome, and for people its reason if the message stays in SQS."""

    outcome: Outcome
    reason: str = ""
    is_table_unusable: bool = False
    """Whether no event can be stored until someone mends what the reason says."""


class RejectedError(Exception):
    """Why a message can never be stored: for people, and telling no more of it than its form."""
