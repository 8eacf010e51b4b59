"""IAM's policy documents, and the statement that every resource policy here shares."""

from typing import Any

import pulumi

Statement = dict[str, Any]


def policy_document(*statements: Statement) -> pulumi.Output[str]:
    """Write the document, once every ARN in its statements is known.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
    """
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


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
