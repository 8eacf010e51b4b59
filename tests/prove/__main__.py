"""`python -m tests.prove`: tens of thousands of messages, faults of every kind, nothing lost."""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .proxy import Fault
from .run import Options, Report, Tell, prove
from .sabotage import SABOTAGES

MESSAGES: Final = 50_000
LINE_SECONDS: Final = 10.0
EXAMPLES: Final = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once, print one table; return 1 if anything was lost, wrong or unexplained."""
    options = _parser().parse_args(arguments)
    seed = random.randrange(10**6) if options.seed is None else options.seed
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 100
    console.print(f"{options.messages} messages, seed {seed}")
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        report = prove(
            options.messages,
            seed,
            Options(
                policy=options.policy,
                reads=options.read,
                managed=options.managed,
                sabotage=options.sabotage or "",
            ),
            tell=_bar(progress) if console.is_terminal else _lines(console),
        )
    _show(console, report, seed)
    return 0 if report.holds else 1


def _show(console: Console, report: Report, seed: int) -> None:
    found = report.account
    table = Table("", "count", title=f"The fault run, seed {seed}", title_justify="left")
    table.columns[1].justify = "right"
    sections: dict[str, dict[str, object]] = {
        "sent": {
            "messages": report.sent,
            "distinct ids": report.ids,
            "deliveries": report.deliveries,
            "redeliveries": report.redeliveries,
            "writes tried": report.writes,
            "writes of one id at once": report.concurrent,
        },
        "faults": {
            **{fault.title: report.faults.get(fault, 0) for fault in Fault},
            "faults in all": sum(report.faults.values()),
        },
        "became": {
            "stored": found.stored,
            "superseded by a newer one": found.superseded,
            "dead letters that no table could hold": found.unstorable,
            "dead letters that conflict with what stands": found.conflicts,
            "dead letters after failing each time": found.given_up,
        },
        "verdict": {
            "lost": len(found.lost),
            "wrong": len(found.wrong),
            "unexplained": len(found.unexplained),
            "answers against AWS's contract": len(report.violations),
        },
        "time": {"seconds": f"{report.seconds:.0f}"},
    }
    for section in sections.values():
        for name, value in section.items():
            table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
        table.add_section()
    console.print(table)
    for kind in ("lost", "wrong", "unexplained"):
        for example in getattr(found, kind)[:EXAMPLES]:
            console.print(f"{kind}: {example}", markup=False)
    for answer in report.violations[:EXAMPLES]:
        console.print(f"against AWS's contract: {answer}", markup=False)


def _bar(progress: Progress) -> Tell:
    tasks = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what)
        progress.update(tasks[what], completed=done, total=total)

    return tell


def _lines(console: Console) -> Tell:
    next_at = 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + LINE_SECONDS
            console.print(f"{what}: {done} of {total}")

    return tell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove",
        description="Deploys the program to the embedded AWS, sends messages while writes and "
        "invocations fail, and then accounts for every message. Exit status 1 if one is lost.",
    )
    parser.add_argument("--messages", type=int, default=MESSAGES, help="how many (%(default)s)")
    parser.add_argument(
        "--seed", type=int, help="what decides messages and faults (a new one each time)"
    )
    parser.add_argument(
        "--policy", choices=("newest", "first"), default="newest", help="(%(default)s)"
    )
    parser.add_argument("--read", action="store_true", help="with readBeforeWrite")
    parser.add_argument(
        "--managed",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with managedRetries (%(default)s)",
    )
    parser.add_argument(
        "--sabotage", choices=SABOTAGES, help="a fault to put into the function, to see it caught"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
