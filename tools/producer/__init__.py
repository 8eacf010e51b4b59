"""How events get into the queue: `Producer`, and `python -m tools.producer` for the shell."""

from tools.producer.client import Failed, Producer, Result, Sent
from tools.producer.errors import ProducerError

__all__ = ["Failed", "Producer", "ProducerError", "Result", "Sent"]
