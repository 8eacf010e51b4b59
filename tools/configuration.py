"""docs/configuration.md, from the arguments' and outputs' own descriptions."""

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

from pydantic.alias_generators import to_camel

from infra import arguments, event_state
from tools.stacks import PROJECT

_PAGE = """\
# Configuration

For whoever sets something up: every key of a stack's config, which is every argument of the
component, and every output. `.venv/bin/python -m tools configuration > docs/configuration.md`
writes this page from [`infra/arguments.py`](../infra/arguments.py); the rules are in
[`infra/settings.py`](../infra/settings.py).

In this program `pulumi config set KEY VALUE --stack NAME` sets a key, and
`pulumi config set --path 'topicArns[0]' ARN` an item of a list. In a program of your own they are
the component's arguments, in Python with underscores (`batch_size`). All that is wrong with them is
told in one message, before anything is registered.
[What a change does to a live stack](deploying.md#changing-a-live-stack).

## Keys

| key | what it is for |
|---|---|
{keys}

In this program, where nothing else is set, the names are the pattern's own: `event-state-queue`,
`event-state-target-table`, `EventUpsertLambda`.

## Outputs

The component has all of these as attributes; the program exports those that are marked.

| output | exported | what it is |
|---|---|---|
{outputs}
"""


def page() -> str:
    """Return the page, as Markdown."""
    keys = [f"| `{key}` | {words} |" for key, words in _described(arguments, "EventStateArgs")]
    program = (PROJECT / "__main__.py").read_text("utf-8")
    exported = re.findall(r'export\("(\w+)"', program)
    outputs = [
        f"| `{key}` | {'yes' if key in exported else ''} | {words} |"
        for key, words in _described(event_state, "EventState")
    ]
    return _PAGE.format(keys="\n".join(keys), outputs="\n".join(outputs))


def _described(module: ModuleType, class_name: str) -> Iterator[tuple[str, str]]:
    """Yield each attribute of a class that has a docstring, in camelCase, and the docstring."""
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef) or node.name != class_name:
            continue
        for declared, words in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(declared, ast.AnnAssign)
                and isinstance(declared.target, ast.Name)
                and isinstance(words, ast.Expr)
                and isinstance(words.value, ast.Constant)
            ):
                yield to_camel(declared.target.id), " ".join(str(words.value.value).split())
