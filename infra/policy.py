"""IAM's policy documents, and the statements that several resource policies here share."""

from collections.abc import Sequence
from typing import Any

import pulumi

Statement = dict[str, Any]


def policy_document(*statements: Statement) -> pulumi.Output[str]:
    """Write the document, once every ARN in its statements is known.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
    """
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow_service(
    sid: str,
    service: str,
    action: str,
    resource: pulumi.Input[str],
    sources: Sequence[pulumi.Input[str]],
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


def deny_without_tls(action: str, resource: pulumi.Input[str]) -> Statement:
    """Deny everybody an action on a resource over a connection without TLS."""
    return {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
