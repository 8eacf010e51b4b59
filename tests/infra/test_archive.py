"""What is shipped to Lambda."""

import hashlib
import os
import runpy
import shutil
from pathlib import Path
from typing import Final

import pulumi
import pytest

from tests.infra.registered import VARIANTS, variant
from tools.stacks import PROJECT
from tools.template import zip_of

MOST_BYTES: Final = 100_000


def _archive(name: str = "prod") -> pulumi.AssetArchive:
    code = variant(name)["function"].inputs["code"]
    assert isinstance(code, pulumi.AssetArchive)
    return code


@pytest.mark.parametrize("name", VARIANTS)
def test_the_archive_names_each_source_file_of_the_function_and_nothing_else(name: str) -> None:
    files = {f"function/{path.name}" for path in PROJECT.glob("function/*.py")}
    assert {key: vars(asset) for key, asset in _archive(name).assets.items()} == {
        file: {"path": str(PROJECT / file)} for file in files
    }


def test_the_archive_holds_the_entry_point() -> None:
    handler = variant("prod")["function"].inputs["handler"]
    module, name = handler.rsplit(".", 1)
    file = f"{module.replace('.', '/')}.py"
    assert file in _archive().assets
    assert f"\ndef {name}(" in (PROJECT / file).read_text("utf-8")


def test_the_archive_is_small() -> None:
    files = {name: Path(vars(asset)["path"]) for name, asset in _archive().assets.items()}
    assert len(zip_of(files)) < MOST_BYTES


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
