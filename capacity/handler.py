"""What the model takes from the handler: measured once, by `python -m capacity.measure`.

On x86-64 with Python 3.11, with events of 615 bytes.
"""

from typing import Final

CPU_MS_PER_INVOCATION: Final = 0.9
"""Milliseconds of a whole core, as the two below."""
CPU_MS_PER_MESSAGE: Final = 0.07
CPU_MS_PER_WRITE: Final = 0.87
LOG_BYTES: Final = 1000
"""Per invocation: 445 of the handler's metrics, and an assumption for Lambda's own lines."""
MEMORY_MB: Final = 1024
"""The default of functionMemoryMb."""


def workers(memory_mb: int) -> int:
    """Return how many writes a function of this memory has under way at once."""
    return 1 if memory_mb < 512 else min(16, memory_mb // 100)
