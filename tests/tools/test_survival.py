"""`python -m tools up` in bad company: killed at any moment, nowhere to write or connect."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from tools.aws import CREDENTIALS
from tools.stacks import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

ORPHAN_SECONDS = 10.0
READY_SECONDS = 60.0


@contextmanager
def _up(
    folder: Path, *, project: Path = PROJECT, before: Callable[[], None] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run `up` with `folder` for temporary files."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools", "up"],
        cwd=project,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _ready(process: subprocess.Popen[str]) -> dict[str, str]:
    """Wait for the line that `up` prints when it is ready, and return it."""
    assert process.stdout
    ready: dict[str, str] = json.loads(process.stdout.readline())
    return ready


def _left(folder: Path) -> list[str]:
    """Return what is in `folder`, and the processes that have it for their temporary files."""
    left = [path.name for path in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and f"={folder}".encode() in (process / "environ").read_bytes():
                left.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return left


def _nothing_is_left(folder: Path) -> None:
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (left := _left(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


# Seconds from the start: from the first imports through the start of the embedded AWS and the
# deployment.
@pytest.mark.parametrize(
    ("ending", "moments"),
    [
        (signal.SIGINT, (0.9, 1.5)),
        (signal.SIGTERM, (0.5, 1.2)),
        (signal.SIGKILL, (0.6, 1.2)),
    ],
)
def test_killed_at_any_moment_it_leaves_nothing_and_no_traceback(
    tmp_path: Path, ending: signal.Signals, moments: tuple[float, ...]
) -> None:
    for moment in moments:
        folder = tmp_path / str(moment)
        folder.mkdir()
        with _up(folder) as process:
            time.sleep(moment)
            process.send_signal(ending)
            _, said = process.communicate(timeout=20)
            # Negative: the signal came before Python, or while it imported the command itself.
            if process.returncode >= 0:
                assert process.returncode in (0, 130), said
                assert "Traceback" not in said
                assert _left(folder) == []  # a clean stop leaves nothing, at once
        _nothing_is_left(folder)


def test_killed_with_a_worker_running_it_leaves_nothing_and_the_next_start_works(
    tmp_path: Path,
) -> None:
    with _up(tmp_path) as process:
        _start_a_worker(_ready(process), tmp_path)
        process.kill()
    _nothing_is_left(tmp_path)
    with _up(tmp_path) as process:
        _start_a_worker(_ready(process), tmp_path)
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 0
        assert _left(tmp_path) == []


def test_killed_before_the_embedded_aws_begins_it_leaves_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)}
    subprocess.run(
        [sys.executable, "-m", "tools.leash"],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,  # at its end from the start, as a dead parent's
        start_new_session=True,
        timeout=20,
        check=False,
    )
    assert not folder.exists()


def _start_a_worker(ready: dict[str, str], folder: Path) -> None:
    """Send a message, and wait until a worker process runs the function."""
    boto3.client(
        "sqs",
        endpoint_url=ready["endpointUrl"],
        region_name=ready["region"],
        aws_access_key_id=CREDENTIALS["aws_access_key_id"],
        aws_secret_access_key=CREDENTIALS["aws_secret_access_key"],
    ).send_message(QueueUrl=ready["queueUrl"], MessageBody="broken")
    deadline = time.monotonic() + READY_SECONDS
    while not any("_worker.py" in each for each in _left(folder)):
        assert time.monotonic() < deadline, "no worker was started"
        time.sleep(0.02)


def _obey_permissions() -> None:
    """Take from root the right to write where permissions forbid it."""
    drop_capability, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop_capability, dac_override, 0, 0, 0)


def test_a_read_only_project_is_enough(tmp_path: Path) -> None:
    project, folder = tmp_path / "project", tmp_path / "folder"
    folder.mkdir()
    project.mkdir()
    for name in ("infra", "function", "tools"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, project / name, ignore=ignore)
    for name in ("__main__.py", "Pulumi.yaml", "Pulumi.local.yaml"):
        shutil.copy(PROJECT / name, project / name)
    everything = [project, *project.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        touch = [sys.executable, "-c", "open('new', 'w')"]
        tried = subprocess.run(
            touch, cwd=project, preexec_fn=_obey_permissions, check=False, capture_output=True
        )
        assert tried.returncode == 1, "the folder is not read-only"
        with _up(folder, project=project, before=_obey_permissions) as process:
            assert _ready(process)
            process.terminate()
            process.communicate(timeout=20)
            assert process.returncode == 0
    finally:
        for path in everything:
            path.chmod(0o755)


def test_make_in_a_read_only_folder_says_so_and_clean_removes_what_was_made(
    tmp_path: Path,
) -> None:
    for path in [PROJECT / "Makefile", *PROJECT.glob("requirements*")]:
        shutil.copy(path, tmp_path)
    given = {path.name for path in tmp_path.iterdir()}

    def make(target: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/env", "make", target, f"PYTHON={sys.executable}"],
            cwd=tmp_path,
            preexec_fn=_obey_permissions,
            capture_output=True,
            text=True,
            check=False,
        )

    tmp_path.chmod(0o555)
    said = make("demo").stderr.splitlines()
    tmp_path.chmod(0o755)
    assert said[0].startswith("error: .venv is set up in this folder, which you may not write to")
    assert not [line for line in said if "apt" in line]

    for name in (".venv", ".mypy_cache", ".ruff_cache", ".hypothesis", "__pycache__"):
        (tmp_path / name / "__pycache__").mkdir(parents=True)
    assert make("clean").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == given


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with _up(tmp_path, before=full) as process:
        out, said = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert said.startswith("error: Nothing can be written: No usable temporary directory found in ")
    assert len(said.splitlines()) == 1
    assert _left(tmp_path) == []


_ONLY_LOOPBACK = """
import fcntl, os, socket, struct, sys
up = struct.pack("16sh14x", b"lo", 1)  # IFF_UP: in a new network even loopback is down
fcntl.ioctl(socket.socket(), 0x8914, up)  # SIOCSIFFLAGS
os.execv(sys.executable, [sys.executable, "-m", "tools", "up"])
"""


def test_it_needs_no_network_and_no_temporary_folder_of_its_callers(tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network of its own to be had: {error}")
    with subprocess.Popen(
        [*alone, sys.executable, "-c", _ONLY_LOOPBACK],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path / "missing")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert _ready(process)
            process.terminate()
            process.communicate(timeout=20)
            assert process.returncode == 0
        finally:
            process.kill()
    assert _left(tmp_path) == []
