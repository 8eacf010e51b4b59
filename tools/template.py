"""A stack as a CloudFormation template: for the embedded AWS, for cfn-lint, and without Pulumi."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime import mocks as pulumi_mocks

from tools.cloudformation import CODE_PARAMETERS
from tools.errors import ToolError
from tools.preview import Preview
from tools.program import Resource, run
from tools.stacks import PROJECT, Stack
from tools.template_body import Body, kind_of_type, placeholder, reference


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template, and the zip file that it takes as an S3 object."""

    body: dict[str, Any]
    code: bytes

    def to_yaml(self) -> str:
        """Write the template as CloudFormation's users read it."""
        return yaml.safe_dump(self.body, sort_keys=False, allow_unicode=True, width=100)


def make_template(stack: Stack, program: Path = PROJECT) -> Template:
    """Run the program for the stack, and write what it registers as a template.

    Raises:
        ToolError: the config is wrong, or the program registers what the template does not know.

    """
    answers = _Answers(stack)
    registered = run(stack, answers, program)
    resources = [each for each in registered.resources if each.type.startswith("aws:")]
    body = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Stack {stack.name} of the Pulumi project {stack.project}",
        "Parameters": {
            name: {"Type": "String", "Description": words}
            for name, words in CODE_PARAMETERS.items()
        },
        **Body(stack, answers.known, resources).sections(registered),
    }
    return Template(body=body, code=_code_of(resources))


class _Answers(Preview):
    """Answers with what can be told apart again: each name stands for a reference."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.known: dict[str, str] = {}
        """The reference for each output."""

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Compute the resource's id and its state, and remember what is in it."""
        resource_id, state = super().new_resource(args)
        if args.custom:
            for output, attribute in kind_of_type(args.typ, args.name).outputs.items():
                if output in state:
                    self.known[state[output]] = reference(args.name, attribute)
        return resource_id, state

    def name_of(self, type_: str, name: str, inputs: Mapping[str, Any]) -> str:
        """Return what stands for the name."""
        return placeholder(name)


def zip_of(files: Mapping[str, Path]) -> bytes:
    """Pack files by their names in the zip file, so that equal files give equal bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        for name, path in sorted(files.items()):
            # The oldest time that a zip file can hold: a file's own would change the bytes.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes())
    return written.getvalue()


def _code_of(resources: Sequence[Resource]) -> bytes:
    archives = [each.inputs["code"].assets for each in resources if "code" in each.inputs]
    packed = {
        zip_of({name: Path(asset.path) for name, asset in archive.items()}) for archive in archives
    }
    if len(packed) > 1:
        raise ToolError("The template takes one zip file, and its functions' code differs.")
    return packed.pop() if packed else b""
