"""The tables of docs/configuration.md, from the arguments' and outputs' own descriptions."""

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from pydantic.alias_generators import to_camel

from infra import arguments, event_state
from tools.stacks import PROJECT

PAGE: Final = PROJECT / "docs" / "configuration.md"


def page() -> str:
    """Return the page with its two tables written anew: the keys, and the outputs."""
    exported = re.findall(r'export\("(\w+)"', (PROJECT / "__main__.py").read_text("utf-8"))
    tables = [
        [f"| `{key}` | {words} |" for key, words in _described(arguments, "EventStateArgs")],
        [
            f"| `{key}` | {'yes' if key in exported else ''} | {words} |"
            for key, words in _described(event_state, "EventState")
        ],
    ]
    written = ("\n".join(rows) + "\n" for rows in tables)
    rows = re.compile(r"(?<=---\|\n)(?:\|.*\n)*")
    return rows.sub(lambda _: next(written), PAGE.read_text("utf-8"))


def _described(module: ModuleType, class_name: str) -> Iterator[tuple[str, str]]:
    """Yield each attribute of a class that has a docstring, in camelCase, and the docstring."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for pair in zip(node.body, node.body[1:], strict=False):
                match pair:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                        value=ast.Constant(value=str(words))
                    ):
                        yield to_camel(name), " ".join(words.split())
