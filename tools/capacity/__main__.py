"""`python -m tools.capacity`: what a load needs of AWS and costs, which quota it meets first."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from typing import Final

from tools.capacity import report
from tools.capacity.aws import ITEM_BYTES, PRICES, QUOTAS, SQS_BATCH
from tools.capacity.model import Load, Setup

Parse = Callable[[str], float]


def _between(low: float, high: float, kind: Parse = float) -> Parse:
    def parse(text: str) -> float:
        what = "whole number" if kind is int else "number"
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no {what} from {low:g} to {high:,.10g}")
        return value

    return parse


def _bytes(text: str) -> int:
    return round(float(text[:-2]) * 1024 if text.upper().endswith("KB") else float(text))


def _named(known: Collection[str]) -> Callable[[str], tuple[str, float]]:
    def parse(text: str) -> tuple[str, float]:
        name, _, value = text.partition("=")
        if name not in known:
            raise argparse.ArgumentTypeError(f"{text!r} names none of {', '.join(known)}")
        return name, _between(1e-6, 1e9)(value)

    return parse


# Each with the field that it sets, whose default is its own.
_OPTIONS: Final[Sequence[tuple[str, str, Parse, str]]] = (
    ("--size", "size_bytes", _between(1, ITEM_BYTES, _bytes), "of an event"),
    ("--hot", "hot", _between(0, 0.999), "share of the hottest id"),
    ("--repeat", "repeat", _between(0, 0.999), "share of the others that repeat an id"),
    ("--repeat-seconds", "repeat_seconds", _between(1e-3, 1e9), "how far an id's are spread"),
    ("--batch", "batch_size", _between(1, 10_000, int), "batchSize"),
    ("--window", "batch_window_seconds", _between(0, 300, int), "batchWindowSeconds"),
    ("--memory", "memory_mb", _between(128, 10_240, int), "functionMemoryMb"),
    ("--maximum-concurrency", "maximum_concurrency", _between(2, 1000, int), "maximumConcurrency"),
    ("--write-ms", "write_ms", _between(1e-3, 1e5), "DynamoDB's answer to a write"),
    ("--handler-ms", "handler_ms", _between(1e-3, 1e6), "the function's Duration, if measured"),
    ("--poll-ms", "poll_ms", _between(0, 1e5), "reading, invoking and deleting a batch"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the estimate; exit with status 2 for options that make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.capacity",
        description="What a load needs of AWS: see docs/scaling.md.",
    )
    parser.add_argument("--rate", type=_between(1e-3, 1e9), required=True, help="events per second")
    defaults = {each.name: each.default for each in (*fields(Load), *fields(Setup))}
    for flag, name, parse, text in _OPTIONS:
        text, default = f"{text} (%(default)s)", defaults[name]
        parser.add_argument(flag, dest=name, type=parse, default=default, metavar="X", help=text)
    for flag, known in (("--quota", QUOTAS), ("--price", PRICES)):
        about = f"NAME=X in place of AWS's: {', '.join(known)}"
        parser.add_argument(flag, type=_named(known), action="append", default=[], help=about)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    if options.batch_size > SQS_BATCH and options.batch_window_seconds == 0:
        parser.error("argument --batch: above 10 it needs a --window of at least 1, as on AWS")

    load = Load(**{each.name: getattr(options, each.name) for each in fields(Load)})
    setup = Setup(**{each.name: getattr(options, each.name) for each in fields(Setup)})
    found = report.figures(load, setup, dict(options.quota), dict(options.price))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2, allow_nan=False) + "\n")
    else:
        report.show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
