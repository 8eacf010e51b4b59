"""README and docs/configuration.md say what the program does."""

import re

from tools.configuration import page
from tools.preview import preview
from tools.stacks import PROJECT, load_stack

README = (PROJECT / "README.md").read_text("utf-8")


def test_the_configuration_page_is_what_the_command_prints() -> None:
    assert (PROJECT / "docs/configuration.md").read_text("utf-8") == page()


def test_the_page_marks_the_outputs_that_the_program_exports() -> None:
    run = preview(load_stack("prod").with_config({"changeStream": True}))
    marked = re.findall(r"^\| `(\w+)` \| yes \|", page(), re.MULTILINE)
    assert sorted(marked) == sorted(run.outputs)


def test_readme_is_short_and_names_real_keys() -> None:
    assert README.count("\n") <= 140
    section = README.split("\n## Config\n")[1].split("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert len(named) == 6
    assert {f"| `{key}` |" for key in named} <= {*re.findall(r"^\| `\w+` \|", page(), re.MULTILINE)}
