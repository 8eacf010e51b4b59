"""What the model takes from the handler: measured once, by `python -m tools.capacity.measure`.

On x86-64 with Python 3.11, with events of 615 bytes.
"""

from typing import Final

CPU_MS_PER_INVOCATION: Final = 0.5
"""Milliseconds of a whole core, as the two below."""
CPU_MS_PER_MESSAGE: Final = 0.05
CPU_MS_PER_WRITE: Final = 0.24
LOG_BYTES: Final = 1000
"""Per invocation: 445 of the handler's metrics, and an assumption for Lambda's own lines."""
WORKERS: Final = 16
"""How many writes it has under way at once."""
MEMORY_MB: Final = 512
"""The default of functionMemoryMb."""
