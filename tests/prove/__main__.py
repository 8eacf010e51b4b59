"""`python -m tests.prove`: tens of thousands of messages, faults of every kind, nothing lost."""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rich.console import Console

from tools.console import make_table

from .checker import PROBLEMS, Fate
from .proxy import FAULTS
from .run import Options, prove
from .sabotage import SABOTAGES

EXAMPLES: Final = 5
SEEDS: Final = 1_000_000
# What these faults in the function are only seen with.
SEEN_WITH: Final[Mapping[str, Mapping[str, Any]]] = {
    "read-taken-for-a-write": {"read": True},
    "conflict-acknowledged": {"policy": "first"},
    "letter-before-it-is-confirmed": {"messages": 1600},  # few of them are letters
}
# `--everything`: the fault run with each option, and then with each fault put into the function.
RUNS: Final = (
    Options(messages=50_000),
    Options(messages=20_000, policy="first"),
    Options(messages=20_000, read=True),
    Options(messages=20_000, managed=False),
    *(
        Options(**{"messages": 800, "sabotage": name, **SEEN_WITH.get(name, {})})
        for name in SABOTAGES
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once, print one table; return 1 if anything was lost, wrong or unexplained."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove",
        description="Deploys the program to the embedded AWS, sends messages while writes and "
        "invocations fail, and then accounts for every message. Exit status 1 if one is lost.",
        argument_default=argparse.SUPPRESS,  # but those of Options
    )
    add, default = parser.add_argument, Options()
    add("--messages", type=int, help=f"how many ({default.messages})")
    add("--seed", type=int, help="what decides messages and faults (a new one each time)")
    add("--policy", choices=("newest", "first"), help=f"({default.policy})")
    add("--read", action="store_true", help="with readBeforeWrite")
    managed = argparse.BooleanOptionalAction
    add("--managed", action=managed, help=f"with managedRetries ({default.managed})")
    add("--sabotage", choices=SABOTAGES, help="a fault to put into the function, to see it caught")
    add("--everything", action="store_true", help="each policy and option, and each sabotage")
    given = vars(parser.parse_args(arguments))
    if not given.pop("everything", False):
        return int(not _holds(Options(**{"seed": random.randrange(SEEDS), **given})))
    runs = [replace(run, seed=random.randrange(SEEDS)) for run in RUNS]
    # A sabotaged one must not hold.
    broken = [str(run) for run in runs if _holds(run) == bool(run.sabotage)]
    sys.stdout.write("\n".join(broken or ["All runs held, and each fault was found."]) + "\n")
    return int(bool(broken))


def _holds(options: Options) -> bool:
    """Run once, and show what came of it."""
    console, started = Console(highlight=False), time.monotonic()
    if not console.is_terminal:
        console.width = 100
    console.print(f"{options.messages} messages, seed {options.seed}")
    with console.status("deploying") as status:
        report = prove(options, status.update)
    counts, faults = Counter(fate for fate, _ in report.found), report.faults
    table = make_table(f"The fault run, seed {options.seed}", ("", "count"))
    table.columns[1].justify = "right"
    sections: Sequence[Mapping[str, int]] = (
        report.figures,
        {**{each: faults[each] for each in FAULTS}, "faults in all": faults.total()},
        {fate: counts[fate] for fate in Fate if fate not in PROBLEMS},
        {fate: counts[fate] for fate in PROBLEMS},
        {"seconds": round(time.monotonic() - started)},
    )
    for section in sections:
        for name, value in section.items():
            table.add_row(name, f"{value:,}")
        table.add_section()
    console.print(table)
    for problem in PROBLEMS:
        examples = [text for fate, text in report.found if fate is problem]
        for text in examples[:EXAMPLES]:
            console.print(f"{problem}: {text:.100}", markup=False)
    return report.holds


if __name__ == "__main__":
    sys.exit(main())
