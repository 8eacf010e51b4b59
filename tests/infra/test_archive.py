"""What is shipped to Lambda."""

import runpy
import shutil
from pathlib import Path

import pytest

from tools.stacks import PROJECT


def test_it_is_each_source_file_of_the_function_whatever_else_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whatever folder the program runs in, for it may be somebody else's."""
    monkeypatch.chdir(tmp_path)
    for room in ("function", "infra"):
        shutil.copytree(PROJECT / room, tmp_path / "clone" / room)
    (tmp_path / "clone/function/__pycache__").mkdir(exist_ok=True)
    (tmp_path / "clone/function/__pycache__/handler.cpython-311.pyc").write_bytes(b"0")
    (tmp_path / "clone/function/notes.txt").write_text("not a source")
    archive = runpy.run_path("clone/infra/function.py")["source_archive"]()
    # Under these names alone, with which the engine hashes the contents: two clones give one hash.
    assert {name: Path(asset.path).resolve() for name, asset in archive.assets.items()} == {
        f"function/{path.name}": tmp_path / "clone" / "function" / path.name
        for path in PROJECT.glob("function/*.py")
    }
