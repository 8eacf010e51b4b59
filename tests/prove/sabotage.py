"""Faults to put into the handler on purpose: a check that cannot fail proves nothing."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .proxy import Fault

# By name: the file, and in it what is replaced by what.
SABOTAGES: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "acknowledge-before-write": (
        ("upsert.py", "wait_until=started + remaining - reserve / 2", "wait_until=0"),
        (
            "upsert.py",
            'Result(Outcome.FAILED, "not confirmed before time ran out")',
            "Result(Outcome.WRITTEN)",
        ),
    ),
    "swallow-an-exception": (
        ("store.py", "if code in _MENDS:", "return Result(Outcome.WRITTEN), 0\n    if False:"),
    ),
    "no-condition": (("guard.py", "if not self._attribute:", "if True:"),),
    "any-length": (("exchange.py", "missing = int(length) - len(body)", "missing = 0"),),
    "drop-the-loser": (
        ("upsert.py", "if result.outcome is Outcome.REJECTED:", "if False:"),
        (
            "upsert.py",
            "Result(Outcome.COALESCED) if result.outcome.acknowledges else result",
            "Result(Outcome.COALESCED)",
        ),
    ),
    "answer-nothing": (("handler.py", "return _upsert(event, context)", "return {}"),),
}

# What these faults in the handler are only seen by.
MET_BY: Final = {"any-length": Fault.WRONG_LENGTH}


def sabotage(source: Path, target: Path, name: str) -> None:
    """Copy the handler's sources, and put the fault of that name into the copy.

    Raises:
        ValueError: the sources do not read as the fault expects, exactly once.

    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for file_name, old, new in SABOTAGES[name]:
        file = target / file_name
        text = file.read_text()
        if text.count(old) != 1:
            raise ValueError(f"{file_name} does not hold this once: {old}")
        file.write_text(text.replace(old, new))
