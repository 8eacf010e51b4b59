"""One line on the terminal that is written over."""

import shutil
import sys


class StatusLine:
    """Shows how things stand on standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Write over what was shown last."""
        if self._is_shown:
            sys.stderr.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()

    def say(self, text: str = "") -> None:
        """Take the line away; leave a text, terminal or not, above whatever comes."""
        self.show("")
        if text:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
