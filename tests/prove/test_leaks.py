"""The handler leaves nothing behind, invocation after invocation."""

import subprocess
import sys

import pytest

from tools.stacks import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")


def _leaks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.prove.leaks", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_memory_threads_and_open_files_stay_as_they_are() -> None:
    result = _leaks("--invocations", "1500")
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert result.stdout.startswith("1500 invocations, memory ")


def test_a_leak_is_found() -> None:
    result = _leaks("--invocations", "800", "--leak", "file")
    assert (result.returncode, result.stderr) == (1, ""), result.stdout
