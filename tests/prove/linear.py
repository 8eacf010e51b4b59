"""Whether the handler's time grows with its input or with the square of it.

`python -m tests.prove.linear` hands over each shape of input in two sizes, the larger one sixteen
times the smaller: sixteen times the time is linear, 256 times quadratic. Nothing is written.
"""

import contextlib
import gc
import io
import sys
import time
from collections.abc import Callable
from typing import Final

from tests.function.batches import Context, batch, record
from tests.function.memory import ok, upsert

LARGE: Final = 1_000_000  # bytes; SQS takes little more
TIMES: Final = 16
RUNS: Final = 5
# Half-way between the two, as powers go: caches and a busy machine cost something, too.
MOST: Final = TIMES**1.5


def _event(member: str) -> str:
    return f'{{"event_id":"a","member":{member}}}'


# By name: what makes a batch of about so many bytes.
SHAPES: Final[dict[str, Callable[[int], list[str]]]] = {
    "a long string": lambda size: [_event('"' + "x" * size + '"')],
    "escapes": lambda size: [_event('"' + "\\u00e9" * (size // 6) + '"')],
    "halves of surrogate pairs": lambda size: [_event('"' + "\\ud800" * (size // 6) + '"')],
    "lists in lists": lambda size: [_event("[" * size)],
    "a long list": lambda size: [_event("[" + "1," * (size // 2) + "1]")],
    "many members": lambda size: [
        _event("{" + ",".join(f'"{n:08}":1' for n in range(size // 13)) + "}")
    ],
    "one member, many times": lambda size: [_event("{" + '"a":1,' * (size // 6) + '"a":1}')],
    "a number of many digits": lambda size: [_event("1" * size)],
    "many zeros": lambda size: [_event("0." + "0" * size + "1")],
    "an exponent of many digits": lambda size: [_event("1E" + "9" * size)],
    "a version of many characters": lambda size: [f'{{"event_id":"a","t":"{"2" * size}"}}'],
    "an id of many characters": lambda size: [f'{{"event_id":"{"é" * (size // 2)}"}}'],
    "no JSON": lambda size: ["\\" * size],
    "events of one id": lambda size: [
        f'{{"event_id":"a","t":{number}}}' for number in range(size // 25)
    ],
    "events of many ids": lambda size: [
        f'{{"event_id":"{number}","t":1}}' for number in range(size // 25)
    ],
    "broken messages": lambda size: ["{"] * (size // 25),
}


def main() -> int:
    """Print a line per shape; return 1 if one grows faster than its size."""
    worst = 0.0
    for name, make in SHAPES.items():
        ratio = _seconds(make(LARGE)) / _seconds(make(LARGE // TIMES))
        mark = "" if ratio <= MOST else "   grows faster than its size"
        sys.stdout.write(f"{name:30} {ratio:6.1f} times the time{mark}\n")
        worst = max(worst, ratio)
    return int(worst > MOST)


def _seconds(bodies: list[str]) -> float:
    """Return the shortest of several runs: nothing makes code faster than it is."""
    function = upsert(lambda _: ok({}), VERSION_ATTRIBUTE="t")
    event = batch(*(record(body, str(place)) for place, body in enumerate(bodies)))
    times = []
    gc.disable()  # it sets in at some size, and that is Python's affair
    for _ in range(RUNS):
        with contextlib.redirect_stdout(io.StringIO()):
            start = time.perf_counter()
            function(event, Context(900_000))
            times.append(time.perf_counter() - start)
    gc.enable()
    return min(times)


if __name__ == "__main__":
    sys.exit(main())
