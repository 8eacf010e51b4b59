"""Runs MiniStack as a child that cannot outlive its parent: `python -m tools.leash`.

The parent holds the other end of standard input. When that closes, for it was stopped or killed,
MiniStack, its function workers and its temporary folder go too.
"""

import atexit
import os
import runpy
import shutil
import signal
import sys
import threading
import time
from typing import Final

GRACE_SECONDS: Final = 5.0


def _follow_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)  # MiniStack is to stop by itself
    _end()


def _end() -> None:
    """End everything that was started: a worker that is stopped heeds nothing but SIGKILL."""
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    # Until MiniStack has a handler of its own, so that the end comes in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    atexit.register(_end)  # the first to register is the last to run
    threading.Thread(target=_follow_parent, daemon=True).start()
    runpy.run_module("ministack", run_name="__main__")
