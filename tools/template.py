"""A stack as a CloudFormation template: for the embedded AWS, for cfn-lint, and without Pulumi."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime import mocks as pulumi_mocks

from tools.cloudformation import CODE_PARAMETERS, KINDS, Kind
from tools.errors import ToolError
from tools.preview import ACCOUNT, Preview
from tools.program import Resource, Run, run
from tools.stacks import PROJECT, Stack


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
        **_Body(stack, answers.known, resources).sections(registered),
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
            for output, attribute in _kind(args.typ, args.name).outputs.items():
                if output in state:
                    self.known[state[output]] = _reference(args.name, attribute)
        return resource_id, state

    def name_of(self, type_: str, name: str, inputs: Mapping[str, Any]) -> str:
        """Return a name that is valid where the real one would be, and found again in any text."""
        return f"name-of-{_logical_id(name)}-"


class _Body:
    """The translation of one run."""

    def __init__(
        self, stack: Stack, references: Mapping[str, str], resources: Sequence[Resource]
    ) -> None:
        self._resources = resources
        self._tags = [{"Key": key, "Value": value} for key, value in stack.default_tags.items()]
        self._names = {  # by the references to them
            _Answers(stack).name_of(each.type, each.name, {}): each.inputs.get("name", "")
            for each in resources
        }
        place = f"{stack.region}|{ACCOUNT}|arn:{stack.partition}:"
        # What the config gives is taken as it is, whatever it looks like.
        given = {
            text: _literal(text)
            for key, value in stack.config.items()
            if key.startswith(f"{stack.project}:")
            for text in _texts_in(value)
            if re.search(rf"{place}|\$\{{", text)
        }
        self._known: Mapping[str, str] = {
            f"arn:{stack.partition}:": "arn:${AWS::Partition}:",
            f"{stack.region}.{stack.url_suffix}": "${AWS::Region}.${AWS::URLSuffix}",
            stack.region: "${AWS::Region}",
            ACCOUNT: "${AWS::AccountId}",
            **references,
            **given,
        }
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def sections(self, registered: Run) -> dict[str, Any]:
        """Write the resources and the outputs."""
        parts = [each for each in self._resources if _kind_of(each).part_of]
        made = {
            _logical_id(each.name): self._resource(each)
            for each in self._resources
            if each not in parts
        }
        for part in parts:
            properties = made[self._home(part)]["Properties"]
            if part.type == "aws:iam/rolePolicy:RolePolicy":
                policy = {"PolicyName": part.name, **self._properties(part)}
                properties.setdefault("Policies", []).append(policy)
            else:
                properties |= self._properties(part)
        self._add_dependencies(made)
        outputs = {
            name: {"Value": self._value(value if isinstance(value, str) else json.dumps(value))}
            for name, value in registered.outputs.items()
        }
        return {"Resources": made, "Outputs": outputs}

    def _resource(self, resource: Resource) -> dict[str, Any]:
        kind = _kind_of(resource)
        tags = {"Tags": self._tags} if kind.is_tagged and self._tags else {}
        policy = "Retain" if resource.protect else "Delete"
        return {
            "Type": kind.type,
            "DeletionPolicy": policy,
            "UpdateReplacePolicy": policy,
            "Properties": {**self._properties(resource), **tags},
        }

    def _properties(self, resource: Resource) -> dict[str, Any]:
        kind = _kind_of(resource)
        unknown: list[str] = []

        def translate(inputs: Mapping[str, Any], path: str = "") -> dict[str, Any]:
            found = {}
            for key, value in sorted(inputs.items()):
                where = path + key
                if where not in kind.inputs:
                    unknown.append(where)
                    continue
                name, convert = kind.inputs[where]
                if any(each.startswith(f"{where}.") for each in kind.inputs):
                    value = (
                        [translate(each, f"{where}.") for each in value]
                        if isinstance(value, list)
                        else translate(value, f"{where}.")
                    )
                if name:
                    found[name] = convert(value)
            return found

        inputs = {key: value for key, value in resource.inputs.items() if key != kind.part_of}
        properties = translate(inputs)
        if unknown:
            raise ToolError(
                f"The template does not know {', '.join(sorted(unknown))} of {resource.type} "
                f"(resource {resource.name!r}): teach it in tools/cloudformation.py."
            )
        if kind.by_name:
            properties = _replaced(properties, self._names)
        found: dict[str, Any] = self._value(properties)
        return found

    def _value(self, value: Any) -> Any:
        """Put references where the program had outputs of other resources."""
        if isinstance(value, dict):
            return {key: self._value(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if not isinstance(value, str):
            return value
        pieces, end = [], 0
        for match in self._pattern.finditer(value):
            pieces += [_literal(value[end : match.start()]), self._known[match[0]]]
            end = match.end()
        text = "".join([*pieces, _literal(value[end:])])
        if text == _literal(value):
            return value
        if only := re.fullmatch(r"\$\{([\w:]+)(?:\.(\w+))?\}", text):
            return {"Fn::GetAtt": [*only.groups()]} if only[2] else {"Ref": only[1]}
        return {"Fn::Sub": text}

    def _home(self, resource: Resource) -> str:
        """Return the logical id of the resource, or of the one that it is a part of."""
        part_of = _kind_of(resource).part_of
        if part_of is None:
            return _logical_id(resource.name)
        return self._known[resource.inputs[part_of]].strip("${}")

    def _add_dependencies(self, made: Mapping[str, dict[str, Any]]) -> None:
        homes = {each.urn: self._home(each) for each in self._resources}
        for resource in self._resources:
            if _kind_of(resource).by_name:
                continue
            home = homes[resource.urn]
            needed = {homes[urn] for urn in resource.dependencies if urn in homes}
            implied = {home, *references_in(made[home]["Properties"])}
            if others := needed - implied:
                made[home]["DependsOn"] = sorted({*made[home].get("DependsOn", []), *others})


def references_in(node: Any) -> Iterator[str]:
    """Yield the logical ids and pseudo parameters that a part of a template refers to."""
    match node:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{([\w:]+)", text)
        case dict():
            for each in node.values():
                yield from references_in(each)
        case list():
            for each in node:
                yield from references_in(each)


def _kind(type_: str, name: str) -> Kind:
    if type_ not in KINDS:
        raise ToolError(
            f"The template does not know {type_} (resource {name!r}): "
            "teach it in tools/cloudformation.py."
        )
    return KINDS[type_]


def _kind_of(resource: Resource) -> Kind:
    return _kind(resource.type, resource.name)


def _logical_id(name: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in re.findall("[A-Za-z0-9]+", name))


def _reference(name: str, attribute: str) -> str:
    return f"${{{_logical_id(name)}{attribute and '.'}{attribute}}}"


def _literal(text: str) -> str:
    """Write a text for Fn::Sub, which reads "${" as a reference."""
    return text.replace("${", "${!")


def _replaced(value: Any, texts: Mapping[str, str]) -> Any:
    written = json.dumps(value)
    for old, new in texts.items():
        written = written.replace(old, new)
    return json.loads(written)


def _texts_in(value: str) -> list[str]:
    """Return a value of the config, or the texts of the list that it is."""
    return list(map(str, json.loads(value))) if value.startswith("[") else [value]


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
