"""What went wrong, for the person at the terminal."""


class ToolError(Exception):
    """A mistake or a missing thing that the user can fix: its text is all that the user sees."""
