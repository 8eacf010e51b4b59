"""How events get into the queue: `Producer`, and `python -m tools.load` for the shell."""

from tools.load.client import Failed, Producer, Result, Sent
from tools.load.errors import ProducerError

__all__ = ["Failed", "Producer", "ProducerError", "Result", "Sent"]
