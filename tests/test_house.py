"""The house: the product needs nothing around it, and every arrow points one way."""

import json
import os
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

from tools.preview import preview
from tools.stacks import PROJECT, load_stack

ROOMS: Final = ("infra", "function", "component", "tools", "docs", "tests")
PRODUCT: Final = ("infra", "function", "component")
FILE_LINES: Final = 250
TEST_LINES: Final = 400

# Pulumi's own way to run a program without an engine, as its guide on unit tests has it.
ALONE: Final = """
import asyncio, json, runpy, sys
import pulumi
from pulumi.runtime import mocks

class Answers(pulumi.runtime.Mocks):
    def new_resource(self, args):
        if args.custom:
            registered.append(f"{args.typ} {args.name}")
        arn = "arn:aws:any:us-east-1:123456789012:" + args.name
        return args.name, {**args.inputs, "arn": arn, "url": "https://" + args.name}

    def call(self, args):
        return {}

registered = []
asyncio.set_event_loop(asyncio.new_event_loop())
pulumi.runtime.set_all_config(json.loads(sys.argv[1]))
pulumi.runtime.set_mocks(Answers(), "event-state", sys.argv[2])
pulumi.runtime.test(lambda: runpy.run_path("__main__.py", run_name="__main__"))()
print(json.dumps(sorted(registered)))
"""


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """Copy what is left when tools/, tests/ and docs/ are deleted."""
    folder = tmp_path / "alone"
    folder.mkdir()
    for path in PROJECT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
        elif path.name in PRODUCT:
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns(".venv"))
    return folder


def test_the_product_alone_registers_the_same(alone: Path) -> None:
    stack = load_stack("prod")
    run = subprocess.run(
        [sys.executable, "-c", ALONE, json.dumps(dict(stack.config)), stack.name],
        cwd=alone,
        env={key: text for key, text in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    resources = [each for each in preview(stack).resources if each.type.startswith("aws:")]
    assert json.loads(run.stdout) == sorted(f"{each.type} {each.name}" for each in resources)


@pytest.fixture(scope="module")
def imports() -> dict[Path, set[Path]]:
    """Return which files each file imports, whenever it runs; not those for its types alone."""
    ruff = Path(sys.executable).with_name("ruff")
    graph = subprocess.run(
        [ruff, "analyze", "graph", "--no-type-checking-imports", *("__main__.py", *ROOMS)],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    return {Path(file): {*map(Path, each)} for file, each in json.loads(graph.stdout).items()}


def test_no_arrow_leads_from_the_product_to_what_stands_around_it(
    imports: dict[Path, set[Path]],
) -> None:
    arrows = {(file.parts[0], each.parts[0]) for file in imports for each in imports[file]}
    assert {(one, other) for one, other in arrows if one != other} <= {
        ("__main__.py", "infra"),
        ("component", "infra"),
        ("tools", "infra"),
        ("tools", "function"),
        *(
            ("docs", room) for room in ("infra", "function", "tools")
        ),  # what writes and draws the pages
        *(("tests", room) for room in ROOMS),
    }


def test_no_module_reaches_back_up_its_road(imports: dict[Path, set[Path]]) -> None:
    assert [*TopologicalSorter(imports).static_order()]


def test_what_is_shipped_imports_itself_and_the_standard_library_alone() -> None:
    source = "".join(path.read_text("utf-8") for path in PROJECT.glob("function/*.py"))
    imported = re.findall(r"^ *(?:import|from) ([\w.]+).*", source, re.MULTILINE)
    assert {name.split(".")[0] for name in imported} <= {"function", *sys.stdlib_module_names}


def test_every_file_can_be_held_in_one_head(imports: dict[Path, set[Path]]) -> None:
    lines = {file: len((PROJECT / file).read_text("utf-8").splitlines()) for file in imports}
    limits = {file: TEST_LINES if file.parts[0] == "tests" else FILE_LINES for file in imports}
    assert {file: count for file, count in lines.items() if count > limits[file]} == {}
