"""docs/ say what the program does."""

import json
import re
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from tests.infra.registered import EVERYTHING, registered, variant
from tools.stacks import PROJECT

TEXT: Final = (PROJECT / "docs" / "infrastructure.md").read_text("utf-8")
DATA: Final = (PROJECT / "docs" / "data.md").read_text("utf-8")
DEPLOYING: Final = (PROJECT / "docs" / "deploying.md").read_text("utf-8")


def test_the_keys_policy_fits_the_stack_prod() -> None:
    (document,) = re.findall(r"```json\n(.+?)```", TEXT, re.S)
    account, logs, alarms, topics, rules = json.loads(document)["Statement"]
    program = variant(EVERYTHING)
    group = f"log-group:{program['log-group'].inputs['name']}"
    assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert logs["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    assert logs["Condition"] == {
        "ArnEquals": {
            "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:us-east-1:123456789012:{group}"
        }
    }
    publish = program.inputs("alarm-topic-policy")["policy"]["Statement"][0]
    assert alarms["Principal"] == publish["Principal"]
    (pattern,) = alarms["Condition"]["ArnLike"].values()
    assert all(
        fnmatchcase(arn, pattern) for arn in publish["Condition"]["ArnEquals"]["aws:SourceArn"]
    )
    statements = program.inputs("queue-policy")["policy"]["Statement"]
    assert [topics["Principal"], rules["Principal"]] == [
        each["Principal"] for each in statements if each["Effect"] == "Allow"
    ]
    # EventBridge gives KMS no source: with a condition on it, nothing would arrive.
    assert ("Condition" in topics, "Condition" in rules) == (True, False)


def test_a_tombstone_outlives_every_message_that_may_still_be_delivered() -> None:
    """The bound is what the queues keep, one after the other."""
    queues = registered().of_type("Queue").values()
    bound = timedelta(seconds=sum(each.inputs["messageRetentionSeconds"] for each in queues))
    section = DATA.split("\n## Deleting state\n")[1].split("\n## ")[0]
    assert re.findall(r"\*\*(\d+) days\*\*", section) == [str(bound.days)]
    (tombstone,) = map(json.loads, re.findall(r"```json\n(.+?)```", section, re.S))
    sent = datetime.fromisoformat(tombstone["timestamp"])
    assert datetime.fromtimestamp(tombstone["expires_at"], UTC) - sent == bound
    key_section = DEPLOYING.split("\n## Changing the customer key\n")[1].split("\n## ")[0]
    waits = re.search(r"after (\d+) days, or after (\d+) if", " ".join(key_section.split()))
    queue = registered()["queue"].inputs["messageRetentionSeconds"]
    assert waits
    assert [int(days) for days in waits.groups()] == [queue // 86_400, bound.days]
