"""What is shipped to Lambda."""

import hashlib
import os
import runpy
import shutil
from pathlib import Path
from typing import Final

import pulumi
import pytest

from tests.infra.registered import registered
from tools.stacks import PROJECT
from tools.template import zip_of

MOST_BYTES: Final = 100_000


def test_the_archive_is_small_and_each_source_file_of_the_function_and_nothing_else() -> None:
    code = registered()["function"].inputs["code"]
    assert isinstance(code, pulumi.AssetArchive)
    files = {f"function/{path.name}": path for path in PROJECT.glob("function/*.py")}
    assert {key: vars(asset) for key, asset in code.assets.items()} == {
        name: {"path": str(path)} for name, path in files.items()
    }
    assert len(zip_of(files)) < MOST_BYTES
    module, _, handler = registered()["function"].inputs["handler"].rpartition(".")
    entry = files[f"{module.replace('.', '/')}.py"]
    assert f"\ndef {handler}(" in entry.read_text("utf-8")


def test_two_clones_give_one_hash_whatever_else_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whatever folder the program runs in, for it may be somebody else's."""
    monkeypatch.chdir(tmp_path)
    for room in ("function", "infra"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / room, tmp_path / room, ignore=ignored)
    for file in tmp_path.glob("function/*.py"):
        os.utime(file, (0, 0))
    (tmp_path / "function/__pycache__").mkdir()
    (tmp_path / "function/__pycache__/handler.cpython-311.pyc").write_bytes(b"0")
    (tmp_path / "function/notes.txt").write_text("not a source")
    assert _hash(tmp_path) == _hash(PROJECT)


def _hash(clone: Path) -> str:
    """Hash names and contents, as the Pulumi engine does."""
    archive = runpy.run_path(str(clone / "infra" / "function.py"))["source_archive"]()
    found = hashlib.sha256()
    for name, asset in sorted(archive.assets.items()):
        found.update(f"{name} ".encode() + Path(asset.path).read_bytes())
    return found.hexdigest()
