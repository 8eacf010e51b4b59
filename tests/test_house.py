"""The house: the product needs nothing around it, and every arrow points one way."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

from tools.preview import preview
from tools.stacks import PROJECT, load_stack

ROOMS: Final = ("infra", "function", "component", "tools", "tests")
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


def _modules() -> dict[str, Path]:
    files = [PROJECT / "__main__.py"]
    for room in ROOMS:
        files += sorted((PROJECT / room).rglob("*.py"))
    paths = [file for file in files if ".venv" not in file.parts]
    names = [path.relative_to(PROJECT).with_suffix("") for path in paths]
    return {
        ".".join(name.parts).removesuffix(".__init__"): path
        for name, path in zip(names, paths, strict=True)
    }


MODULES: Final = _modules()


def _imports(name: str) -> Iterator[str]:
    """Yield the modules that a module imports, whenever it runs; not those for its types alone."""
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    for_types = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".")[: -node.level] if node.level else []
            module = ".".join([*package, *filter(None, [node.module])])
            members = (f"{module}.{each.name}" for each in node.names)
            yield from (member if member in MODULES else module for member in members)


IMPORTS: Final = {name: set(_imports(name)) for name in MODULES}


def _room(module: str) -> str:
    return module.split(".")[0]


def test_no_arrow_leads_from_the_product_to_what_stands_around_it() -> None:
    arrows = {(_room(name), _room(each)) for name in MODULES for each in IMPORTS[name]}
    rooms = {(one, other) for one, other in arrows if one != other and other in ROOMS}
    assert rooms <= {
        ("__main__", "infra"),
        ("component", "infra"),
        ("tools", "infra"),
        ("tools", "function"),  # the benchmark
        *(("tests", room) for room in ROOMS),
    }


def test_what_is_shipped_imports_itself_and_the_standard_library_alone() -> None:
    for name, imported in IMPORTS.items():
        if _room(name) == "function":
            assert {_room(each) for each in imported} <= {"function", *sys.stdlib_module_names}


def test_no_module_reaches_back_up_its_road() -> None:
    assert [*TopologicalSorter({name: IMPORTS[name] - {name} for name in MODULES}).static_order()]


def test_every_file_can_be_held_in_one_head() -> None:
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    limits = {name: TEST_LINES if _room(name) == "tests" else FILE_LINES for name in MODULES}
    assert {name: count for name, count in lines.items() if count > limits[name]} == {}
