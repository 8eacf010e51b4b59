"""The body of a template: what a run registered, in CloudFormation's words."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.cloudformation import KINDS, Kind
from tools.errors import ToolError
from tools.preview import ACCOUNT
from tools.program import Resource, Run
from tools.stacks import Stack


class Body:
    """The translation of one run."""

    def __init__(
        self, stack: Stack, references: Mapping[str, str], resources: Sequence[Resource]
    ) -> None:
        self._resources = resources
        self._tags = [{"Key": key, "Value": value} for key, value in stack.default_tags.items()]
        self._names = {  # by what stands for them
            placeholder(each.name): each.inputs.get("name", "") for each in resources
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
        parts = [each for each in self._resources if kind_of(each).part_of]
        made = {
            logical_id(each.name): self._resource(each)
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
        kind = kind_of(resource)
        tags = {"Tags": self._tags} if kind.is_tagged and self._tags else {}
        policy = "Retain" if resource.protect else "Delete"
        return {
            "Type": kind.type,
            "DeletionPolicy": policy,
            "UpdateReplacePolicy": policy,
            "Properties": {**self._properties(resource), **tags},
        }

    def _properties(self, resource: Resource) -> dict[str, Any]:
        kind = kind_of(resource)
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
        part_of = kind_of(resource).part_of
        if part_of is None:
            return logical_id(resource.name)
        return self._known[resource.inputs[part_of]].strip("${}")

    def _add_dependencies(self, made: Mapping[str, dict[str, Any]]) -> None:
        homes = {each.urn: self._home(each) for each in self._resources}
        for resource in self._resources:
            if kind_of(resource).by_name:
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


def kind_of_type(type_: str, name: str) -> Kind:
    """Return the type in CloudFormation's words."""
    if type_ not in KINDS:
        raise ToolError(
            f"The template does not know {type_} (resource {name!r}): "
            "teach it in tools/cloudformation.py."
        )
    return KINDS[type_]


def kind_of(resource: Resource) -> Kind:
    """Return a resource's type in CloudFormation's words."""
    return kind_of_type(resource.type, resource.name)


def logical_id(name: str) -> str:
    """Name a resource as a template does."""
    return "".join(word[0].upper() + word[1:] for word in re.findall("[A-Za-z0-9]+", name))


def placeholder(name: str) -> str:
    """Name a resource, as is valid where the real name would be, to be found again in any text."""
    return f"name-of-{logical_id(name)}-"


def reference(name: str, attribute: str) -> str:
    """Refer to a resource, or an attribute of it, as Fn::Sub writes it."""
    return f"${{{logical_id(name)}{attribute and '.'}{attribute}}}"


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
