"""`python -m tools up`, also in bad company: killed at any moment, nowhere to write or connect."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tools.aws import client, emulator_session
from tools.deployed import wait_for
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.stacks import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

UP = (sys.executable, "-m", "tools", "up")
NONSENSE = {
    "AWS_PROFILE": "nonsense",
    "AWS_ENDPOINT_URL": "http://nonsense.invalid",
    "AWS_REGION": "nonsense",
    "AWS_DEFAULT_REGION": "nonsense",
    "AWS_CONFIG_FILE": __file__,
}


@contextmanager
def _up(
    folder: Path,
    command: Sequence[str] = UP,
    project: Path = PROJECT,
    before: Callable[[], None] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run `up` with `folder` for temporary files, and settings that must not lead it astray."""
    with subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, **NONSENSE, "TMPDIR": str(folder)},
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


def _end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")


def _left(folder: Path) -> dict[str, int]:
    """Return the files in `folder`, and the ids of the processes that have it for theirs."""
    found = dict.fromkeys((path.name for path in folder.iterdir()), 0)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and f"={folder}".encode() in (process / "environ").read_bytes():
                found[(process / "cmdline").read_text().replace("\0", " ")] = int(process.name)
    return found


def _soon_leaves_nothing(folder: Path) -> bool:
    return wait_for(lambda: not _left(folder), 10.0)


def _start_a_worker(process: subprocess.Popen[str], folder: Path) -> dict[str, str]:
    """Send a message, and wait until a worker process runs the function."""
    ready = _ready(process)
    sqs = client(emulator_session(ready["region"]), "sqs", ready["endpointUrl"])
    sqs.send_message(QueueUrl=ready["queueUrl"], MessageBody="broken")
    assert wait_for(lambda: any("_worker.py" in each for each in _left(folder)), 60, every=0.02)
    return ready


def test_it_prints_one_line_of_json_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with _up(tmp_path) as process:
        ready = _start_a_worker(process, tmp_path)
        endpoint = ready["endpointUrl"]
        assert endpoint.startswith("http://127.0.0.1:")
        assert ready == {
            "queueUrl": f"{endpoint}/000000000000/event-state-queue",
            "queueArn": "arn:aws:sqs:us-east-1:000000000000:event-state-queue",
            "deadLetterQueueUrl": f"{endpoint}/000000000000/event-state-queue-dlq",
            "tableName": "event-state-target-table",
            "keyAttribute": "event_id",
            "versionAttribute": "timestamp",
            "functionName": "EventUpsertLambda",
            "dashboardUrl": "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
            "?region=us-east-1#dashboards/dashboard/EventUpsertLambda-us-east-1",
            "endpointUrl": endpoint,
            "region": "us-east-1",
        }
        _end(process, signal.SIGINT)
        assert _left(tmp_path) == {}


# Seconds from the start: from the first imports through the start of the embedded AWS and the
# deployment.
@pytest.mark.parametrize(
    ("ending", "moments"),
    [(signal.SIGINT, (0.9, 1.5)), (signal.SIGTERM, (0.5, 1.2)), (signal.SIGKILL, (0.6, 1.2))],
)
def test_killed_at_any_moment_it_leaves_nothing_and_no_traceback(
    tmp_path: Path, ending: signal.Signals, moments: tuple[float, ...]
) -> None:
    for moment in moments:
        folder = tmp_path / str(moment)
        folder.mkdir()
        with _up(folder) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(moment)
            process.send_signal(ending)
            _, said = process.communicate(timeout=20)
            # Negative: the signal came before Python, or while it imported the command itself.
            if process.returncode >= 0:
                assert process.returncode in (0, 130), said
                assert "Traceback" not in said
                assert _left(folder) == {}  # a clean stop leaves nothing, at once
        assert _soon_leaves_nothing(folder)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
def test_ended_with_a_worker_it_leaves_nothing(
    tmp_path: Path, ending: signal.Signals, is_stopped: bool
) -> None:
    with _up(tmp_path) as process:
        _start_a_worker(process, tmp_path)
        for command, number in _left(tmp_path).items():
            if is_stopped and "_worker.py" in command:  # it heeds nothing but SIGKILL
                os.kill(number, signal.SIGSTOP)
        process.send_signal(ending)
    assert _soon_leaves_nothing(tmp_path)


def test_the_embedded_awss_end_is_noticed_and_two_run_side_by_side() -> None:
    with Emulator() as one, Emulator(region="eu-west-1") as other:
        one.client("sqs").create_queue(QueueName="q")
        assert other.client("sqs").list_queues().get("QueueUrls", []) == []
        url = other.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        found = other.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        assert found["Attributes"]["QueueArn"] == "arn:aws:sqs:eu-west-1:000000000000:q"
        os.kill(one._process.pid, signal.SIGKILL)
        with pytest.raises(ToolError, match="The embedded AWS ended unexpectedly"):
            one.wait()


def _obey_permissions() -> None:
    """Take from root the right to write where permissions forbid it."""
    drop_capability, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop_capability, dac_override, 0, 0, 0)


def test_a_read_only_project_is_enough(tmp_path: Path) -> None:
    project, folder = tmp_path / "project", tmp_path / "folder"
    folder.mkdir()
    for name in ("infra", "function", "tools"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, project / name, ignore=ignore)
    for name in ("__main__.py", "Pulumi.yaml", "Pulumi.local.yaml"):
        shutil.copy(PROJECT / name, project / name)
    everything = [project, *project.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with _up(folder, project=project, before=_obey_permissions) as process:
            assert _ready(process)
            _end(process)
        assert not [*project.rglob("__pycache__")], "the folder is not read-only"
    finally:
        for path in everything:
            path.chmod(0o755)


def test_make_in_a_read_only_folder_says_so_and_clean_removes_what_was_made(
    tmp_path: Path,
) -> None:
    def make(target: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/usr/bin/env", "make", f"PYTHON={sys.executable}", target],
            cwd=tmp_path,
            preexec_fn=_obey_permissions,
            capture_output=True,
            text=True,
            check=False,
        )

    for path in [PROJECT / "Makefile", *PROJECT.glob("requirements*")]:
        shutil.copy(path, tmp_path)
    given = {path.name for path in tmp_path.iterdir()}
    tmp_path.chmod(0o555)
    said = make("demo").stderr
    tmp_path.chmod(0o755)
    assert said.startswith("error: .venv is set up in this folder, which you may not write to")
    assert "apt" not in said

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
    assert _left(tmp_path) == {}
