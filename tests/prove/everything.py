"""`python -m tests.prove.everything`: the fault run with each option, and each fault put in."""

import sys
from typing import Final

from .__main__ import main
from .sabotage import SABOTAGES

RUNS: Final = (
    ("--messages", "50000"),
    ("--messages", "20000", "--policy", "first"),
    ("--messages", "20000", "--read"),
    ("--messages", "20000", "--no-managed"),
)
# What these faults in the function are only seen with.
SEEN_WITH: Final = {
    "read-taken-for-a-write": ("--read",),
    "conflict-acknowledged": ("--policy", "first"),
}


def everything() -> int:
    """Return 1 if a run does not hold, or a fault in the function is not found."""
    broken = [" ".join(arguments) for arguments in RUNS if main(arguments)]
    for name in SABOTAGES:
        arguments = ("--messages", "800", "--sabotage", name, *SEEN_WITH.get(name, ()))
        if not main(arguments):
            broken.append(f"not found: {name}")
    sys.stdout.write("\n".join(broken or ["All runs held, and each fault was found."]) + "\n")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(everything())
