"""Runs MiniStack as a child that cannot outlive its parent: `python -m tools.leash`.

The parent holds the other end of standard input. When that closes, because the parent stops or
because it was killed, MiniStack, its function workers and its temporary folder go too.
"""

import os
import runpy
import shutil
import signal
import sys
import threading
from typing import Final

GRACE_SECONDS: Final = 5.0


def main() -> None:
    """Run MiniStack until it is told to stop or the parent is gone."""
    folder = os.environ["TMPDIR"]
    # Until MiniStack has a handler of its own, so that the folder goes in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        threading.Thread(target=_follow_parent, args=(folder,), daemon=True).start()
        runpy.run_module("ministack", run_name="__main__")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _follow_parent(folder: str) -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    # MiniStack did not stop in time: end everything that it started.
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
