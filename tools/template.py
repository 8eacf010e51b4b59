"""A stack as a CloudFormation template: for the embedded AWS, for cfn-lint, and without Pulumi."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pulumi.runtime.mocks import MockResourceArgs

from tools.cloudformation import CODE_PARAMETERS, KINDS, Kind
from tools.errors import ToolError
from tools.preview import Preview, Resource, run
from tools.stacks import PROJECT, Stack

# Stand for what a pseudo parameter tells; no config has them by chance.
_REGION: Final = "region-of-the-template"
_ACCOUNT: Final = "404142434445"


class Template(NamedTuple):
    """A template, and the zip file that it takes as an S3 object."""

    body: dict[str, Any]
    code: bytes


def make_template(stack: Stack, program: Path = PROJECT) -> Template:
    """Run the program for the stack, and write what it registers as a template."""
    answers = _Answers(stack)
    registered = run(stack, answers, program)
    resources = [each for each in registered.resources if each.type.startswith("aws:")]
    translation = _Translation(stack, answers.references, resources)
    body = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Stack {stack.name} of the Pulumi project {stack.project}",
        "Parameters": {
            name: {"Type": "String", "Description": each} for name, each in CODE_PARAMETERS.items()
        },
        "Resources": translation.resources(),
        "Outputs": {
            name: {"Value": translation.value(text if isinstance(text, str) else json.dumps(text))}
            for name, text in registered.outputs.items()
        },
    }
    return Template(body=body, code=_code_of(resources))


class _Answers(Preview):
    """Answers with what can be told apart again: each name stands for a reference."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.region, self.account = _REGION, _ACCOUNT
        # As Fn::Sub writes them, by the output that each stands for.
        self.references: dict[str, str] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Compute the resource's id and its state, and remember what is in it."""
        resource_id, state = super().new_resource(args)
        if args.custom:
            for output, attribute in _kind_of(args.typ, args.name).outputs.items():
                if output in state:
                    path = f"{_logical_id(args.name)}.{attribute}".rstrip(".")
                    self.references[state[output]] = f"${{{path}}}"
        return resource_id, state

    def name_of(self, name: str, given: str) -> str:
        """Return what stands for the name."""
        return _placeholder(name)


class _Translation:
    """What one run registered, in CloudFormation's words."""

    def __init__(
        self, stack: Stack, references: Mapping[str, str], resources: Sequence[Resource]
    ) -> None:
        self._resources = resources
        self._tags = [{"Key": key, "Value": value} for key, value in stack.default_tags.items()]
        partition = stack.partition["name"]
        self._known = {
            f"arn:{partition}:": "arn:${AWS::Partition}:",
            _REGION: "${AWS::Region}",
            _ACCOUNT: "${AWS::AccountId}",
            **references,
        }
        texts = sorted({_REGION, _ACCOUNT, *references}, key=len, reverse=True)
        # An ARN of another place is the config's: it is taken as it is.
        ours = rf"arn:{partition}:(?=[a-z]+:(?:{_REGION}|:{_ACCOUNT}))"
        self._pattern = re.compile("|".join([*map(re.escape, texts), ours]))

    def resources(self) -> dict[str, Any]:
        """Write the resources."""
        kinds = {each.urn: _kind_of(each.type, each.name) for each in self._resources}
        made: dict[str, Any] = {}
        homes = {}
        for each in sorted(self._resources, key=lambda each: bool(kinds[each.urn].part_of)):
            kind, properties = kinds[each.urn], self._properties(each)
            if not kind.part_of:
                home = _logical_id(each.name)
                policy = "Retain" if each.protect else "Delete"
                made[home] = {
                    "Type": kind.type,
                    "DeletionPolicy": policy,
                    "UpdateReplacePolicy": policy,
                    "Properties": properties,
                }
                if kind.is_tagged and self._tags:
                    properties["Tags"] = self._tags
            else:
                home = self._known[each.inputs[kind.part_of]].strip("${}")
                if "PolicyDocument" in properties:  # the role's
                    properties = {"Policies": [{"PolicyName": each.name, **properties}]}
                made[home]["Properties"] |= properties
            homes[each.urn] = home
        for each in self._resources:
            home = homes[each.urn]
            needed = {homes[urn] for urn in each.dependencies if urn in homes}
            implied = {home, *references_in(made[home]["Properties"])}
            if kinds[each.urn].by_name:
                continue
            if others := needed - implied:
                made[home]["DependsOn"] = sorted({*made[home].get("DependsOn", []), *others})
        return made

    def _properties(self, resource: Resource) -> dict[str, Any]:
        kind = _kind_of(resource.type, resource.name)
        inputs = {key: each for key, each in resource.inputs.items() if key != kind.part_of}
        properties = _translate(kind, inputs)
        if kind.by_name:
            written = json.dumps(properties)
            for each in self._resources:
                written = written.replace(_placeholder(each.name), each.inputs.get("name", ""))
            properties = json.loads(written)
        return dict(self.value(properties))

    def value(self, value: Any) -> Any:
        """Put references where the program had outputs of other resources."""
        if isinstance(value, dict):
            return {key: self.value(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if not isinstance(value, str) or not self._pattern.search(value):
            return value
        # Fn::Sub reads "${" as a reference.
        text = self._pattern.sub(lambda found: self._known[found[0]], value.replace("${", "${!"))
        if only := re.fullmatch(r"\$\{([\w:]+)(?:\.(\w+))?\}", text):
            return {"Fn::GetAtt": [*only.groups()]} if only[2] else {"Ref": only[1]}
        return {"Fn::Sub": text}


def _translate(kind: Kind, value: Any, path: str = "") -> Any:
    """Write inputs, or what is in one of them, as properties."""
    if isinstance(value, list):
        return [_translate(kind, each, path) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in sorted(value.items()):
        where = f"{path}.{key}".lstrip(".")
        match kind.inputs.get(where, key[0].upper() + key[1:]):
            case (name, make):
                found[name] = make(each)
            case str(name) if name:
                found[name] = _translate(kind, each, where)
    return found


def references_in(node: Any) -> Iterator[str]:
    """Yield the logical ids and pseudo parameters that a part of a template refers to."""
    match node:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{([\w:]+)", text)
        case dict() | list():
            for each in node.values() if isinstance(node, dict) else node:
                yield from references_in(each)


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
    files = ({name: Path(asset.path) for name, asset in each.items()} for each in archives)
    packed = {*map(zip_of, files)}
    if len(packed) > 1:
        raise ToolError("The template takes one zip file, and its functions' code differs.")
    return packed.pop() if packed else b""


def _kind_of(type_: str, name: str) -> Kind:
    if type_ not in KINDS:
        unknown = f"The template does not know {type_} (resource {name!r})"
        raise ToolError(f"{unknown}: teach it in tools/cloudformation.py.")
    return KINDS[type_]


def _logical_id(name: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in re.findall("[A-Za-z0-9]+", name))


def _placeholder(name: str) -> str:
    return f"name-of-{_logical_id(name)}-"  # valid as a name, and found again in any text
