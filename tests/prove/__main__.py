"""`python -m tests.prove`: tens of thousands of messages, faults of every kind, nothing lost."""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from .proxy import Fault
from .run import Options, Report, prove
from .sabotage import SABOTAGES

LINE_SECONDS: Final = 10.0
EXAMPLES: Final = 5
# `--everything`: the fault run with each option, and then with each fault put into the function.
RUNS: Final = (
    "--messages 50000",
    "--messages 20000 --policy first",
    "--messages 20000 --read",
    "--messages 20000 --no-managed",
)
# What these faults in the function are only seen with.
SEEN_WITH: Final = {
    "read-taken-for-a-write": " --read",
    "conflict-acknowledged": " --policy first",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once, print one table; return 1 if anything was lost, wrong or unexplained."""
    options = _parser().parse_args(arguments, Options(seed=random.randrange(10**6)))
    if options.everything:
        return _everything()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 100
    console.print(f"{options.messages} messages, seed {options.seed}")
    next_at = 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + LINE_SECONDS
            console.print(f"{what}: {done} of {total}")

    report = prove(options, tell)
    _show(console, report, options.seed)
    return 0 if report.holds else 1


def _everything() -> int:
    """Return 1 if a run does not hold, or a fault in the function is not found."""
    broken = [arguments for arguments in RUNS if main(arguments.split())]
    for name in SABOTAGES:
        arguments = f"--messages 800 --sabotage {name}{SEEN_WITH.get(name, '')}"
        if not main(arguments.split()):
            broken.append(f"not found: {name}")
    sys.stdout.write("\n".join(broken or ["All runs held, and each fault was found."]) + "\n")
    return int(bool(broken))


def _show(console: Console, report: Report, seed: int) -> None:
    found = report.account
    table = Table("", "count", title=f"The fault run, seed {seed}", title_justify="left")
    table.columns[1].justify = "right"
    sections: Sequence[dict[str, object]] = (
        {
            "messages": report.sent,
            "distinct ids": report.ids,
            "deliveries": report.deliveries,
            "redeliveries": report.redeliveries,
            "writes tried": report.writes,
            "writes of one id at once": report.concurrent,
        },
        {
            **{fault.title: report.faults.get(fault, 0) for fault in Fault},
            "faults in all": sum(report.faults.values()),
        },
        {
            "stored": found.stored,
            "superseded by a newer one": found.superseded,
            "dead letters that no table could hold": found.unstorable,
            "dead letters that conflict with what stands": found.conflicts,
            "dead letters after failing each time": found.given_up,
        },
        {
            "lost": len(found.lost),
            "wrong": len(found.wrong),
            "unexplained": len(found.unexplained),
            "answers against AWS's contract": len(report.violations),
        },
        {"seconds": round(report.seconds)},
    )
    for section in sections:
        for name, value in section.items():
            table.add_row(name, f"{value:,}")
        table.add_section()
    console.print(table)
    examples = {
        **{kind: getattr(found, kind) for kind in ("lost", "wrong", "unexplained")},
        "against AWS's contract": report.violations,
    }
    for kind, each in examples.items():
        for example in each[:EXAMPLES]:
            console.print(f"{kind}: {example}", markup=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove",
        description="Deploys the program to the embedded AWS, sends messages while writes and "
        "invocations fail, and then accounts for every message. Exit status 1 if one is lost.",
    )
    add, default = parser.add_argument, Options()
    add("--messages", type=int, help=f"how many ({default.messages})")
    add("--seed", type=int, help="what decides messages and faults (a new one each time)")
    add("--policy", choices=("newest", "first"), help=f"({default.policy})")
    add("--read", action="store_true", default=None, help="with readBeforeWrite")
    managed = argparse.BooleanOptionalAction
    add("--managed", action=managed, help=f"with managedRetries ({default.managed})")
    add("--sabotage", choices=SABOTAGES, help="a fault to put into the function, to see it caught")
    add("--everything", action="store_true", help="each policy and option, and each sabotage")
    return parser


if __name__ == "__main__":
    sys.exit(main())
