"""IAM's policy documents, and the statements that several resource policies here share."""

import json
from collections.abc import Sequence
from typing import Any, Final

import pulumi

Arn = pulumi.Input[str]
Statement = dict[str, Any]

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
QUEUE_POLICY_CHARACTERS: Final = 8192


def policy_document(*statements: Statement) -> pulumi.Output[str]:
    """Write the document, once every ARN in its statements is known.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
    """
    return pulumi.Output.from_input(list(statements)).apply(written)


def written(statements: Sequence[Statement]) -> str:
    """Write the document without blanks, which count where its length is limited."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def as_queue_policy(policy: str) -> str:
    """Return a queue's policy as it is.

    Raises:
        pulumi.RunError: SQS would refuse it for its length.

    """
    if len(policy) > QUEUE_POLICY_CHARACTERS:
        raise pulumi.RunError(
            f"the queue's policy would have {len(policy)} characters, and SQS takes "
            f"{QUEUE_POLICY_CHARACTERS}: name fewer topics and rules"
        )
    return policy


def queue_statements(
    arn: Arn, topic_arns: Sequence[Arn] = (), rule_arns: Sequence[Arn] = ()
) -> list[Statement]:
    """Let these topics and rules send to a queue, which has one policy for all, and over TLS alone.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-security-best-practices.html
    """
    senders = (("AllowTopics", "sns", topic_arns), ("AllowRules", "events", rule_arns))
    return [
        *(
            allow_service(sid, service, "sqs:SendMessage", arn, arns)
            for sid, service, arns in senders
            if arns
        ),
        deny_without_tls("sqs:*", arn),
    ]


def allow_service(
    sid: str, service: str, action: str, resource: Arn, sources: Sequence[Arn]
) -> Statement:
    """Allow an AWS service an action on a resource, on behalf of these sources alone.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": action,
        "Resource": resource,
        "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
    }


def deny_without_tls(action: str, resource: Arn) -> Statement:
    """Deny everybody an action on a resource over a connection without TLS."""
    return {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
