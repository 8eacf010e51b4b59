"""What went wrong, for the person at the terminal."""


class ProducerError(Exception):
    """A mistake or a missing thing that the user can mend: one sentence, no traceback."""


class UnsendableError(Exception):
    """Why an event makes no message, in words that follow "line 7: "."""
