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
import time
from typing import Final

GRACE_SECONDS: Final = 5.0


def _follow_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    # MiniStack did not stop in time: end everything that it started.
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    # Until MiniStack has a handler of its own, so that the folder goes in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        threading.Thread(target=_follow_parent, daemon=True).start()
        runpy.run_module("ministack", run_name="__main__")
    finally:
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
