"""Whether the handler's time grows with its input or with the square of it.

`python -m tests.prove.linear` hands over each shape of input in two sizes, the larger one sixteen
times the smaller: sixteen times the time is linear, 256 times quadratic. Nothing is written.
"""

import sys
from contextlib import redirect_stdout
from io import StringIO
from timeit import repeat
from typing import Final

from tests.function.batches import Context, batch, record
from tests.function.memory import ok, upsert

LARGE: Final = 1_000_000  # bytes; SQS takes little more
TIMES: Final = 16
RUNS: Final = 5
# Half-way between the two, as powers go: caches and a busy machine cost something, too.
MOST: Final = TIMES**1.5


def _shapes(size: int) -> dict[str, list[str]]:
    """Return batches of about so many bytes, by what they are like."""
    members = {
        "a long string": '"' + "x" * size + '"',
        "escapes": '"' + "\\u00e9" * (size // 6) + '"',
        "halves of surrogate pairs": '"' + "\\ud800" * (size // 6) + '"',
        "lists in lists": "[" * size,
        "a long list": "[" + "1," * (size // 2) + "1]",
        "many members": "{" + ",".join(f'"{n:08}":1' for n in range(size // 13)) + "}",
        "one member, many times": "{" + '"a":1,' * (size // 6) + '"a":1}',
        "a number of many digits": "1" * size,
        "many zeros": "0." + "0" * size + "1",
        "an exponent of many digits": "1E" + "9" * size,
    }
    return {
        **{name: [f'{{"event_id":"a","member":{each}}}'] for name, each in members.items()},
        "a version of many characters": [f'{{"event_id":"a","t":"{"2" * size}"}}'],
        "an id of many characters": [f'{{"event_id":"{"é" * (size // 2)}"}}'],
        "no JSON": ["\\" * size],
        "events of one id": [f'{{"event_id":"a","t":{n}}}' for n in range(size // 25)],
        "events of many ids": [f'{{"event_id":"{n}","t":1}}' for n in range(size // 25)],
        "broken messages": ["{"] * (size // 25),
    }


def main() -> int:
    """Print a line per shape; return 1 if one grows faster than its size."""
    worst, small = 0.0, _shapes(LARGE // TIMES)
    for name, large in _shapes(LARGE).items():
        ratio = _seconds(large) / _seconds(small[name])
        mark = "" if ratio <= MOST else "   grows faster than its size"
        sys.stdout.write(f"{name:30} {ratio:6.1f} times the time{mark}\n")
        worst = max(worst, ratio)
    return int(worst > MOST)


def _seconds(bodies: list[str]) -> float:
    """Return the shortest of several runs: nothing makes code faster than it is."""
    function = upsert(lambda _: ok({}), VERSION_ATTRIBUTE="t")
    event = batch(*map(record, bodies))
    with redirect_stdout(StringIO()):
        return min(repeat(lambda: function(event, Context(900_000)), number=1, repeat=RUNS))


if __name__ == "__main__":
    sys.exit(main())
