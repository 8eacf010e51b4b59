"""How events get into a queue: `Producer` for a program, `python -m tools load` for the shell."""

from tools.load.client import Failed, Producer, Result, Sent

__all__ = ["Failed", "Producer", "Result", "Sent"]
