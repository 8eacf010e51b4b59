"""Every command that README.md and docs/ show exists, with the options it is shown with.

Each is held against what would read it: the Makefile, our own argument parsers, botocore's models
of AWS, a list of what the Pulumi CLI knows.
"""

import argparse
import importlib
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import botocore.session
import pytest
from botocore import xform_name
from typer.main import get_command

from tools.commands import app
from tools.preview import preview
from tools.stacks import PROJECT, load_stack

# What a $(...) gives: it could be a queue's URL.
SUBSTITUTED: Final = "https://sqs.invalid/0/substituted"
PAGES: Final = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
OPERATIONS: Final = (PROJECT / "docs" / "operations.md").read_text("utf-8")

# Global options of the AWS CLI, and whether each takes a value.
# https://docs.aws.amazon.com/cli/latest/reference/
AWS_OPTIONS: Final = {
    "--endpoint-url": True,
    "--no-cli-pager": False,
    "--output": True,
    "--profile": True,
    "--query": True,
    "--region": True,
}
# Commands of the Pulumi CLI with the options used here, and whether each takes a value.
# https://www.pulumi.com/docs/iac/cli/commands/
STACK: Final = {"--stack": True, "-s": True}
PULUMI: Final[Mapping[str, Mapping[str, bool]]] = {
    "config set": {**STACK, "--path": False},
    "config rm": STACK,
    "destroy": STACK,
    "login": {},
    "preview": {**STACK, "--diff": False},
    "refresh": STACK,
    "stack init": {},
    "stack output": {**STACK, "--json": False},
    "stack select": {},
    "up": {**STACK, "--diff": False, "--refresh": False, "--target": True, "--yes": False},
}
HARMLESS: Final = {"cd", "date", "export", "git", "sleep"}


def _blocks(page: Path) -> Iterator[tuple[int, str]]:
    """Yield each fenced block of shell, with its line."""
    text = page.read_text("utf-8")
    for block in re.finditer(r"^( *)```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        lines = block[2].splitlines()
        yield (
            text[: block.start()].count("\n") + 2,
            "\n".join(line.removeprefix(block[1]) for line in lines),
        )


BLOCKS: Final = [
    pytest.param(block, id=f"{page.relative_to(PROJECT)}:{line}")
    for page in PAGES
    for line, block in _blocks(page)
]


def commands(block: str) -> Iterator[list[str]]:
    """Yield each simple command of a block, those in $(...) too; variables stand for themselves."""

    def hoist(match: re.Match[str]) -> str:
        hoisted.append(match[1])
        return SUBSTITUTED

    hoisted: list[str] = []
    text = re.sub(r"\$\(\([^()]*\)\)", "0", block.replace("\\\n", " "))
    while (inner := re.sub(r"\$\(([^()]*)\)", hoist, text)) != text:
        text = inner
    for part in [*hoisted, text]:
        lexer = shlex.shlex(part, posix=True, punctuation_chars=";&|\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not set(word) <= set(";&|\n"):
                words.append(word)
                continue
            while words and re.match(r"[A-Za-z_]\w*=", words[0]):
                del words[0]
            if words:
                yield words
            words = []


def check(words: Sequence[str]) -> None:
    """Raise AssertionError, or let the parser exit, if a command would not be understood."""
    program, *arguments = words
    if program in ("python", "python3", ".venv/bin/python"):
        _check_python(arguments)
    elif program not in HARMLESS:
        assert program in CHECKS, f"{program} is no command that these pages should need"
        CHECKS[program](arguments)


def _check_make(arguments: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for argument in arguments:
        assert "=" in argument or argument in targets, argument


def _check_python(arguments: list[str]) -> None:
    option, module, *rest = arguments
    assert option == "-m"
    if module == "pytest":
        assert rest
        assert all((PROJECT / path).exists() for path in rest)
        return
    rooms = ("tools", "tests")
    assert module.split(".")[0] in rooms
    if module == "tools":
        command = get_command(app).commands[rest[0]]  # type: ignore[attr-defined] # it is a group
        assert command.make_context(rest[0], rest[1:])
        return
    folder = PROJECT / module.replace(".", "/")
    name = f"{module}.__main__" if folder.is_dir() else module
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", _parse_and_stop)
        with pytest.raises(_UnderstoodError):
            importlib.import_module(name).main(rest)


class _UnderstoodError(Exception):
    """Ends a command once its own parser has taken its arguments."""


_parse = argparse.ArgumentParser.parse_args


def _parse_and_stop(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> None:
    _parse(parser, arguments)
    raise _UnderstoodError


def _check_pulumi(arguments: list[str]) -> None:
    length = 2 if " ".join(arguments[:2]) in PULUMI else 1
    command = " ".join(arguments[:length])
    assert command in PULUMI, f"pulumi {command}"
    _options(arguments[length:], PULUMI[command])


def _check_aws(arguments: list[str]) -> None:
    before = list(_leading_options(arguments))
    service, operation, *rest = arguments[len(before) :]
    model = botocore.session.get_session().get_service_model(service)
    if operation == "wait":
        waiters = botocore.session.get_session().get_waiter_model(service)
        names = {xform_name(each, "-"): each for each in waiters.waiter_names}
        assert rest[0] in names, f"aws {service} wait {rest[0]}"
        operation_name = waiters.get_waiter(names[rest[0]]).operation
        rest = rest[1:]
    else:
        names = {xform_name(each, "-"): each for each in model.operation_names}
        assert operation in names, f"aws {service} {operation}"
        operation_name = names[operation]
    shape = model.operation_model(operation_name).input_shape
    assert shape
    known: dict[str, bool] = {}
    for name, member in shape.members.items():
        option = f"--{xform_name(name, '-')}"
        known[option] = member.type_name != "boolean"
        if member.type_name == "boolean":
            known[option.replace("--", "--no-", 1)] = False
    given = _options([*before, *rest], {**known, **AWS_OPTIONS})
    for name in shape.required_members:
        assert f"--{xform_name(name, '-')}" in given, f"{operation} needs {name}"
    for name, member in shape.members.items():
        value = given.get(f"--{xform_name(name, '-')}", "")
        if member.type_name in ("structure", "map") and value.startswith("{"):
            json.loads(value)
        if member.type_name == "integer" and value.isascii() and value.isalnum():
            assert value.isdigit() or value == SUBSTITUTED, f"{name} is {value}"


def _leading_options(arguments: Sequence[str]) -> Iterator[str]:
    takes_value = False
    for argument in arguments:
        if not takes_value and not argument.startswith("--"):
            return
        takes_value = not takes_value and AWS_OPTIONS[argument]
        yield argument


def _options(arguments: Sequence[str], known: Mapping[str, bool]) -> dict[str, str]:
    """Return the options with their values; each must be known, and have one if it takes one."""
    given: dict[str, str] = {}
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if not argument.startswith("-"):
            continue
        assert argument in known, argument
        given[argument] = left.pop(0) if known[argument] else ""
    return given


CHECKS: Final[Mapping[str, Callable[[list[str]], None]]] = {
    "aws": _check_aws,
    "make": _check_make,
    "pulumi": _check_pulumi,
}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_command_is_understood(block: str) -> None:
    syntax = subprocess.run(["bash", "-n"], input=block, text=True, check=False)  # noqa: S607
    assert syntax.returncode == 0
    found = list(commands(block))
    assert found
    for words in found:
        check(words)


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "python -m tools up --stak dev",
        ".venv/bin/python -m tools nothing",
        "python -m pytest tests/nothing",
        "python -m tools.load events.jsonl",
        "aws sqs send-mesage --queue-url x --message-body y",
        "aws sqs send-message --queue-url x",
        "aws sqs send-message --queue-url x --message-body y --delay 3",
        "aws sqs receive-message --queue-url x --max-number-of-messages ten",
        "aws dynamodb get-item --table-name x --key '{event_id}'",
        "aws dynamodb wait table-gone --table-name x",
        "aws --regin x sqs list-queues",
        "pulumi upp",
        "pulumi stack outputs queueUrl",
        "pulumi up --stak dev",
        "echo $(pulumi nothing)",
        'X="$(make nothing)"',
        "curl https://example.com",
    ],
)
def test_a_command_that_is_wrong_is_found(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    def check_all() -> None:
        for words in commands(command):
            check(words)

    with pytest.raises((AssertionError, SystemExit, ModuleNotFoundError, KeyError, ValueError)):
        check_all()


def test_commands_are_found_wherever_they_stand() -> None:
    block = 'A="$(x 1)" # no\nB=2 y "$A" \\\n  --z "$(v $(w))" && u | t; s \'a;\nb\' > f'
    assert sorted(commands(block)) == [
        ["s", "a;\nb", ">", "f"],
        ["t"],
        ["u"],
        ["v", SUBSTITUTED],
        ["w"],
        ["x", "1"],
        ["y", "$A", "--z", SUBSTITUTED],
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), target


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_runbook_has_a_section_for_each_alarm_and_its_description_leads_there() -> None:
    resources = preview(load_stack("prod")).resources
    alarms = [each for each in resources if each.type.endswith(":MetricAlarm")]
    alarm_section = OPERATIONS.split("\n## Alarms\n")[1].split("\n## ")[0]
    sections = re.findall(r"^### (.+)$", alarm_section, re.MULTILINE)
    assert sorted(sections) == sorted(
        each.name.removeprefix("event-state-alarm-") for each in alarms
    )
    for alarm in alarms:
        anchor = f"docs/operations.md#{alarm.name.removeprefix('event-state-alarm-')}"
        assert alarm.inputs["alarmDescription"].endswith(anchor)
    for section in alarm_section.split("\n### ")[1:]:
        parts = re.findall(r"^\*\*(.+?):\*\*", section, re.MULTILINE)
        assert parts == ["Means", "Look at", "Do", "Do not"], section.splitlines()[0]


def test_every_config_key_that_can_change_is_in_the_runbook() -> None:
    section = OPERATIONS.split("\n## Changing a live stack\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    keys = {key.partition(":")[2] for key in load_stack("prod").config if "event-state:" in key}
    assert named == keys


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    tests = {
        name
        for file in (PROJECT / "tests").rglob("*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    assert {*re.findall(r"`(test_\w+)`", page.read_text("utf-8"))} <= tests
