"""ARNs, which another resource may give: checked at once, or when they are known."""

import re
from typing import Annotated, Final

import pulumi
from pydantic import PlainValidator, ValidationInfo

from infra.problems import Problem

_PLACE: Final = "[a-z0-9-]+:[0-9]{12}"  # a region and an account
_TOPIC: Final = rf"arn:aws[a-z-]*:sns:{_PLACE}:[A-Za-z0-9_-]{{1,256}}"
# What an ARN must be, in words and in form, a list's items each.
ARNS: Final = {
    # A key's ARN, not an alias's: the role's permission is on exactly this key.
    "kms_key_arn": (
        "the ARN of a KMS key (arn:aws:kms:...:key/ID)",
        rf"arn:aws[a-z-]*:kms:{_PLACE}:key/[A-Za-z0-9-]{{1,64}}",
    ),
    # https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    "alarm_topic_arn": ("the ARN of a standard SNS topic", _TOPIC),
    "topic_arns": ("the ARN of an SNS topic", rf"{_TOPIC}(\.fifo)?"),
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
    "rule_arns": (
        "the ARN of an EventBridge rule (arn:aws:events:...:rule/NAME)",
        rf"arn:aws[a-z-]*:events:{_PLACE}:rule/[A-Za-z0-9_./-]{{1,321}}",
    ),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    "permissions_boundary_arn": (
        "the ARN of an IAM policy (arn:aws:iam::...:policy/NAME)",
        r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[\x21-\x7e]{1,640}",
    ),
}


def _check(value: object, info: ValidationInfo) -> object:
    key = str(info.field_name)
    words, form = ARNS[key]

    def check(known: object) -> object:
        if isinstance(known, str) and re.fullmatch(form, known):
            return known
        rule = f"it must be {words}"
        if known is value:
            raise ValueError(rule)
        raise pulumi.RunError(Problem(key=key, value=known, rule=rule).said(str))

    return value.apply(check) if isinstance(value, pulumi.Output) else check(value)


Arn = str | pulumi.Output[str]
CheckedArn = Annotated[Arn, PlainValidator(_check)]
