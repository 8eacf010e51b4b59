"""Every command that README.md and docs/ show exists, with the options that it is shown with."""

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import botocore.session
import pytest
from botocore import xform_name
from typer.main import get_command

from docs import configuration
from infra.config import KEYS
from tests.infra.registered import EVERYTHING, registered, variant
from tools.commands import app
from tools.preview import preview
from tools.stacks import PROJECT, load_stack

PAGES: Final = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
TESTS: Final = "".join(file.read_text("utf-8") for file in PROJECT.glob("tests/**/test_*.py"))

# https://docs.aws.amazon.com/cli/latest/reference/ and https://www.pulumi.com/docs/iac/cli/commands/
AWS_OPTIONS: Final = "--endpoint-url --no-cli-pager --output --profile --query --region"
PULUMI: Final[Mapping[str, str]] = {
    **dict.fromkeys(["login", "package add", "package get-schema", "stack select"], ""),
    **dict.fromkeys(["config get", "refresh", "stack export"], "--stack"),
    "config set": "--stack --path",
    "config rm": "--stack --path",
    "destroy": "--stack --skip-preview",
    "import": "--stack --parent --protect --generate-code",
    "new": "--name --dir",
    "preview": "--stack --diff --refresh",
    "stack init": "--copy-config-from",
    "stack output": "--stack --json",
    "stack rm": "--preserve-config",
    "up": "--stack --diff --refresh --target --yes",
}
# A command is its first words; what follows it, to the end of the command, are its options.
COMMAND: Final = re.compile(
    r"(?:^|[;&|(=\s`])(?:\.venv/bin/)?(make|python3? -m|aws|pulumi) ([a-z-][^;&|\n)`]*)",
    re.MULTILINE,
)


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of our own and of the two CLIs, in blocks of shell and in `code`."""
    fenced = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    prose = re.findall(r"`[^`\n]+`", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S))
    for part in [*fenced, *prose]:
        for program, rest in COMMAND.findall(part.replace("\\\n", " ")):
            # Quoted arguments may hold anything: they are no options.
            words = re.sub(r"'[^']*'?|\"[^\"]*\"?", "quoted", rest.partition(" #")[0])
            yield program, words.replace("\\", " ").split()


def _wrong(text: str) -> list[str]:
    """Return the commands in it that do not exist, or not with these options."""
    found = _commands(text)
    return [" ".join([program, *words]) for program, words in found if not _exists(program, words)]


def _exists(program: str, words: list[str]) -> bool:
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    with suppress(Exception):  # there is no such command
        if program == "make":
            targets = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.M)
            return {word for word in words if "=" not in word and word.islower()} <= {*targets}
        if program == "pulumi":
            command = next(each for each in (" ".join(words[:2]), words[0]) if each in PULUMI)
            return options <= {*PULUMI[command].split()}
        if program == "aws":
            return options <= _aws_options(*(word for word in words if not word.startswith("--")))
        if words[0] == "tools" and len(words) > 1:
            return options <= _own_options(words[1])
        paths = [PROJECT / word for word in words if word.startswith("tests/")]
        return find_spec(words[0]) is not None and all(path.exists() for path in paths)
    return False


def _own_options(name: str) -> set[str]:
    commands = get_command(app).commands  # type: ignore[attr-defined] # it is a group
    known = {option for each in commands[name].params for option in each.opts}
    return known | {f"--no-{option[2:]}" for option in known} | {"--help"}


def _aws_options(service: str, operation: str, *_: str) -> set[str]:
    if operation == "wait":
        return {
            *AWS_OPTIONS.split(),
            *(f"--{name}-name" for name in ("stack", "table", "function")),
        }
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(each, "-"): each for each in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    members = [xform_name(name, "-") for name in shape.members] if shape else []
    own = {f"--{no}{name}" for name in members for no in ("", "no-")}
    return {*AWS_OPTIONS.split(), *own}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists_with_its_options(page: Path) -> None:
    assert _wrong(page.read_text("utf-8")) == []


def test_a_command_that_is_wrong_is_found() -> None:
    wrong = [
        "make nothing",
        "python -m tools nothing",
        "python -m tools up --stak dev",
        "python -m pytest tests/nothing",
        "python -m tools.nothing",
        "aws sqs send-mesage --queue-url x --message-body y",
        "aws sqs send-message --queue-url x --message-body y --delay 3",
        "pulumi upp",
        "pulumi up --stak dev",
    ]
    lines = "\n".join(f"X=$(.venv/bin/{each})" for each in ["make test", *wrong])
    assert _wrong(f"```sh\n{lines}\n```\n`make nowhere`") == [*wrong, "make nowhere"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere_and_every_test_that_is_named_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for path, _, anchor in (each.partition("#") for each in re.findall(r"\]\(([^)\s]+)\)", text)):
        if not path.startswith(("https://", "http://")):
            file = page.parent / path if path else page
            assert file.exists(), path
            assert not anchor or anchor in _anchors(file), anchor
    assert len(_anchors(page)) == len(set(_anchors(page)))
    assert {*re.findall(r"`(test_\w+)`", text)} <= {*re.findall(r"\bdef (test_\w+)", TESTS)}


def _anchors(page: Path) -> list[str]:
    """Return the anchors that GitHub gives a page's headings, where no two are the same."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def _section(page: str, title: str) -> str:
    return (PROJECT / page).read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_runbook_has_a_section_for_each_alarm_of_its_table() -> None:
    """Under its name, for an alarm's description links to its runbook's address, "#" and that."""
    table, *sections = _section("docs/operations.md", "Alarms").split("\n### ")
    alarms = re.findall(r"^\| \[([a-z-]+)\]\(#\1\) \|", table, re.MULTILINE)
    assert [section.splitlines()[0] for section in sections] == alarms
    for section in sections:
        parts = re.findall(r"^\*\*(.+?):\*\*", section, re.MULTILINE)
        assert parts == ["Means", "Look at", "Do", "Do not"], section.splitlines()[0]


def test_the_table_of_changes_has_every_config_key_and_a_short_readme_six() -> None:
    table = _section("docs/deploying.md", "Changing a live stack").split("\n### ")[0]
    rows = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    assert sorted(key for row in rows for key in re.findall(r"`(\w+)`", row)) == sorted(KEYS)
    assert PAGES[0].read_text("utf-8").count("\n") <= 140
    named = re.findall(r"^\| `(\w+)` \|", _section("README.md", "Config"), re.MULTILINE)
    assert len({*named} & KEYS.keys()) == len(named) == 6


def test_the_configuration_page_is_what_the_command_prints_and_marks_the_outputs_exported() -> None:
    assert configuration.PAGE.read_text("utf-8") == configuration.page()
    run = preview(load_stack("prod").with_config({"changeStream": True}))
    marked = re.findall(r"^\| `(\w+)` \| yes \|", configuration.page(), re.MULTILINE)
    assert sorted(marked) == sorted(run.outputs)


def test_the_keys_policy_fits_the_stack_prod() -> None:
    page = (PROJECT / "docs/infrastructure.md").read_text("utf-8")
    (document,) = re.findall(r"```json\n(.+?)```", page, re.S)
    account, logs, alarms, topics, rules = json.loads(document)["Statement"]
    program = variant(EVERYTHING)
    group = f"arn:aws:logs:us-east-1:123456789012:log-group:{program['log-group'].inputs['name']}"
    assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert logs["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    assert logs["Condition"] == {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group}}
    publish = program.inputs("alarm-topic-policy")["policy"]["Statement"][0]
    assert alarms["Principal"] == publish["Principal"]
    (pattern,) = alarms["Condition"]["ArnLike"].values()
    sources = publish["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert fnmatch.filter(sources, pattern) == sources
    statements = program.inputs("queue-policy")["policy"]["Statement"]
    assert [topics["Principal"], rules["Principal"]] == [
        each["Principal"] for each in statements if each["Effect"] == "Allow"
    ]
    # EventBridge gives KMS no source: with a condition on it, nothing would arrive.
    assert ("Condition" in topics, "Condition" in rules) == (True, False)


def test_a_tombstone_and_an_old_key_outlive_every_message_that_may_still_be_delivered() -> None:
    """What the queues keep, one after the other."""
    kept = [
        each.inputs["messageRetentionSeconds"] for each in registered().of_type("Queue").values()
    ]
    bound, queue = sum(kept) // 86_400, min(kept) // 86_400
    section = _section("docs/data.md", "Deleting state")
    assert re.findall(r"\*\*(\d+) days\*\*", section) == [str(bound)]
    (tombstone,) = map(json.loads, re.findall(r"```json\n(.+?)```", section, re.S))
    sent = datetime.fromisoformat(tombstone["timestamp"])
    assert tombstone["expires_at"] - sent.timestamp() == sum(kept)
    waits = " ".join(_section("docs/deploying.md", "Changing the customer key").split())
    assert re.findall(r"after (\d+) days, or after (\d+) if", waits) == [(str(queue), str(bound))]
