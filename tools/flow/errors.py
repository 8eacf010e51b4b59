"""What went wrong, for the person at the terminal."""


class FlowError(Exception):
    """A mistake or a missing thing that the user can mend: one sentence, no traceback."""
