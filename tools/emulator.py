"""The embedded AWS: MiniStack on loopback, in a process that cannot outlive this one.

MiniStack is not AWS: it checks little of what AWS refuses. https://pypi.org/project/ministack/
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, Final, Self

from tools.aws import client, emulator_session
from tools.deployed import wait_for
from tools.errors import ToolError
from tools.leash import GRACE_SECONDS
from tools.stacks import PROJECT

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 30.0
START_TRIES: Final = 5


class Emulator:
    """The embedded AWS as a context manager: ready inside the block, gone after it."""

    def __init__(
        self,
        *,
        port: int = 0,
        region: str = "us-east-1",
        log: IO[str] | None = None,
        auth: bool = False,
    ) -> None:
        """port: 0 for a free one. auth: whether a function may do only what its role allows."""
        self.region = region
        self._auth, self._wanted_port, self._log = auth, port, log

    @property
    def endpoint_url(self) -> str:
        """Where every AWS client must be pointed."""
        return f"http://{HOST}:{self._port}"

    def client(self, service: str) -> Any:
        """Make a boto3 client that the host's AWS environment and files cannot lead astray."""
        return client(emulator_session(self.region), service, self.endpoint_url)

    def wait(self) -> None:
        """Block until the embedded AWS ends by itself: it should not, and ToolError is raised."""
        self._process.wait()
        raise ToolError(f"The embedded AWS ended unexpectedly.{self._last_words()}")

    def __enter__(self) -> Self:
        for tries_left in reversed(range(1 if self._wanted_port else START_TRIES)):
            try:
                self._start()
                break
            except ToolError:
                # Another process may have taken the free port in between.
                if not tries_left:
                    raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leash.close()
        try:
            self._process.wait(GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        finally:
            self._words.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self._wanted_port))
            except OSError:
                how = "stop what listens there, or choose another with --port"
                taken = f"Port {self._wanted_port} on {HOST} is taken"
                raise ToolError(f"{taken}: {how}.") from None
            self._port: int = probe.getsockname()[1]
        try:
            self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed on leaving)
            self._folder = Path(tempfile.mkdtemp(prefix="event-state-local-"))
        except OSError as error:
            raise ToolError(f"The embedded AWS needs a temporary folder: {error}.") from None
        # Only these: what MiniStack inherits, it hands on to the function.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": self.region,
            "LOG_LEVEL": "WARNING",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AUTH": str(self._auth).lower(),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.leash"],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._log or self._words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._leash: Any = self._process.stdin
        with ExitStack() as undo:  # Ctrl-C, too, leaves nothing behind
            undo.callback(self.__exit__)
            if not wait_for(self._is_ready, START_SECONDS, every=0.02):
                raise ToolError(f"The embedded AWS was not ready in {START_SECONDS:.0f} s.")
            undo.pop_all()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise ToolError(f"The embedded AWS did not start.{self._last_words()}")
        with suppress(OSError):
            ready = f"{self.endpoint_url}/_ministack/ready"
            with urllib.request.urlopen(ready, timeout=1) as answer:  # noqa: S310 (http, here)
                return bool(answer.status == 200)
        return False

    def _last_words(self) -> str:
        self._words.seek(0)
        lines = self._words.read().strip().splitlines()
        return f" Its last words: {lines[-1]}" if lines else ""
