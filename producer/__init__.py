"""How events get into the queue: `Producer` for programs, `python -m producer` for the shell."""

from producer.client import Failed, Producer, Result, Sent
from producer.errors import ProducerError

__all__ = ["Failed", "Producer", "ProducerError", "Result", "Sent"]
