"""Stack config as the program will see it."""

from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.stacks import PROJECT, Stack, load_stack


def _load(folder: Path, stack_file: str, name: str = "test") -> Stack:
    (folder / "Pulumi.yaml").write_text("name: shop\n")
    (folder / "Pulumi.test.yaml").write_text(stack_file, "utf-8")
    return load_stack(name, folder)


def test_every_value_is_text_and_a_key_without_a_namespace_is_the_projects(tmp_path: Path) -> None:
    stack = _load(
        tmp_path,
        "encryptionsalt: v1:abc=\n"  # as `pulumi stack init` with a passphrase leaves it
        "config: {aws:region: eu-west-1, shop:size: 4, wide: true, label: '007', other:k: [1, é],"
        " aws:defaultTags: {tags: {team: a}}}",
    )
    assert (stack.name, stack.project, stack.region) == ("test", "shop", "eu-west-1")
    assert stack.default_tags == {"team": "a"}
    assert stack.config == {
        "shop:size": "4",
        "shop:wide": "true",
        "shop:label": "007",
        "aws:region": "eu-west-1",
        "aws:defaultTags": '{"tags":{"team":"a"}}',
        "other:k": '[1,"é"]',
    }


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
    ],
)
def test_a_region_tells_its_partition(
    tmp_path: Path, region: str, partition: str, suffix: str
) -> None:
    stack = _load(tmp_path, f"config: {{aws:region: {region}}}")
    assert (stack.partition, stack.url_suffix) == (partition, suffix)


def test_a_region_of_no_partition_is_named(tmp_path: Path) -> None:
    stack = _load(tmp_path, "config: {aws:region: moon}")
    with pytest.raises(ToolError, match=r"^aws:region is 'moon', and no AWS partition has"):
        _ = stack.partition


def test_a_changed_stack_has_the_new_values_as_text_and_the_old_one_stays(tmp_path: Path) -> None:
    stack = _load(tmp_path, "config: {aws:region: eu-west-1, owner: me}")
    changed = stack.with_config({"size": 5, "wide": True, "aws:region": "eu-west-2"})
    assert changed.config == {
        "shop:owner": "me",
        "shop:size": "5",
        "shop:wide": "true",
        "aws:region": "eu-west-2",
    }
    assert (changed.region, stack.region) == ("eu-west-2", "eu-west-1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [", "Pulumi.test.yaml is not YAML: "),
        ("[a]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
        ("config: [a]", "Pulumi.test.yaml must hold a mapping, with config as a mapping in it."),
        (
            "config: {shop:label: {secure: AAA=}}",
            "Pulumi.test.yaml: shop:label is encrypted, and only Pulumi can decrypt it.",
        ),
        ("{}", "Pulumi.test.yaml: aws:region is not set; every stack names its region."),
    ],
)
def test_a_file_that_is_no_stack_is_named_with_all_its_problems(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ToolError) as raised:
        _load(tmp_path, text)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("file", sorted(PROJECT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_each_stack_of_this_project_tags_what_it_makes(file: Path) -> None:
    tags = load_stack(file.name.split(".")[1]).default_tags
    assert tags["stack"] == file.name.split(".")[1]
    assert tags.keys() == {"project", "stack", "managed-by"}
