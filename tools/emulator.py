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
# No proxy that the host names stands between a machine and itself.
_DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Emulator:
    """The embedded AWS as a context manager: ready inside the block, gone without a trace after it.

    Without a port it takes a free one.

    Raises:
        ToolError: on entering, if the port is taken or MiniStack does not start.

    """

    def __init__(
        self,
        *,
        port: int | None = None,
        region: str = "us-east-1",
        log: IO[str] | None = None,
        auth: bool = False,
    ) -> None:
        """auth: whether the function may do only what its role's policies allow."""
        self.region = region
        self._auth = auth
        self._wanted_port = port
        self._log = log

    @property
    def endpoint_url(self) -> str:
        """Where every AWS client must be pointed."""
        return f"http://{HOST}:{self._port}"

    def client(self, service: str) -> Any:
        """Make a boto3 client that the host's AWS environment and files cannot lead astray."""
        return client(emulator_session(self.region), service, self.endpoint_url)

    def wait(self) -> None:
        """Block until the embedded AWS ends by itself, which it should not.

        Raises:
            ToolError: it ended.

        """
        self._process.wait()
        raise ToolError(f"The embedded AWS ended unexpectedly.{self._last_words()}")

    def __enter__(self) -> Self:
        if self._wanted_port is not None and not _is_free(self._wanted_port):
            raise ToolError(
                f"Port {self._wanted_port} on {HOST} is taken: stop what listens there, "
                "or choose another with --port."
            )
        for tries_left in reversed(range(1 if self._wanted_port else START_TRIES)):
            try:
                self._start(self._wanted_port or _free_port())
                break
            except ToolError:
                # Another process may have taken the free port in between.
                if not tries_left:
                    raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self, port: int) -> None:
        self._port = port
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="event-state-local-"))
        except OSError as error:
            raise ToolError(f"The embedded AWS needs a temporary folder: {error}.") from None
        # Only these: what MiniStack inherits, it hands on to the function.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "GATEWAY_PORT": str(port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": self.region,
            "LOG_LEVEL": "WARNING",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AUTH": str(self._auth).lower(),
        }
        self._words = (self._folder / "ministack.log").open("w+") if self._log is None else None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.leash"],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._log or self._words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._await_ready()
        except BaseException:
            self._stop()
            raise

    def _await_ready(self) -> None:
        def is_ready() -> bool:
            if self._process.poll() is not None:
                raise ToolError(f"The embedded AWS did not start.{self._last_words()}")
            ready = f"{self.endpoint_url}/_ministack/ready"
            try:
                with _DIRECTLY.open(ready, timeout=1) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        if not wait_for(is_ready, START_SECONDS, every=0.02):
            raise ToolError(f"The embedded AWS was not ready in {START_SECONDS:.0f} s.")

    def _stop(self) -> None:
        assert self._process.stdin  # noqa: S101 (it was asked for)
        self._process.stdin.close()  # the leash follows
        try:
            self._process.wait(GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        finally:
            if self._words:
                self._words.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _last_words(self) -> str:
        if self._words is None:
            return ""
        self._words.seek(0)
        lines = self._words.read().strip().splitlines()
        return f" Its last words: {lines[-1]}" if lines else ""


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
