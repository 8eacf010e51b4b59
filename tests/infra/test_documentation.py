"""docs/ say what the program does."""

import fnmatch
import json
import re
from datetime import datetime
from typing import Final

from tests.infra.registered import EVERYTHING, registered, variant
from tools.stacks import PROJECT

DOCS: Final = PROJECT / "docs"


def _section(page: str, title: str) -> str:
    return (DOCS / page).read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_keys_policy_fits_the_stack_prod() -> None:
    (document,) = re.findall(
        r"```json\n(.+?)```", (DOCS / "infrastructure.md").read_text("utf-8"), re.S
    )
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
    section = _section("data.md", "Deleting state")
    assert re.findall(r"\*\*(\d+) days\*\*", section) == [str(bound)]
    (tombstone,) = map(json.loads, re.findall(r"```json\n(.+?)```", section, re.S))
    sent = datetime.fromisoformat(tombstone["timestamp"])
    assert tombstone["expires_at"] - sent.timestamp() == sum(kept)
    waits = " ".join(_section("deploying.md", "Changing the customer key").split())
    assert re.findall(r"after (\d+) days, or after (\d+) if", waits) == [(str(queue), str(bound))]
