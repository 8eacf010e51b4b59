"""IAM: what the function may do, and nothing else."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, dynamodb, iam, sqs

from infra.policy import Statement, policy_document
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ExecutionRole:
    """The function's role and its one policy, which must exist before the function does."""

    role: iam.Role
    policy: iam.RolePolicy


def create_execution_role(
    name: str,
    settings: Settings,
    opts: pulumi.ResourceOptions,
    *,
    log_group: cloudwatch.LogGroup,
    queue: sqs.Queue,
    table: dynamodb.Table,
) -> ExecutionRole:
    """Make the role: write to this log, consume this queue, put into this table."""
    role = iam.Role(
        f"{name}-role",  # no fixed name: IAM is global to the account
        description=f"Execution role of the Lambda function {settings.function_name}",
        assume_role_policy=policy_document(
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ),
        opts=opts,
    )
    streams = pulumi.Output.concat(log_group.arn, ":*")
    statements = [
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], streams),
        # https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#events-sqs-permissions
        _allow(
            "ConsumeQueue",
            ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            queue.arn,
        ),
        _allow("PutItems", ["dynamodb:PutItem"], table.arn),
    ]
    if settings.kms_key_arn:
        # To read the encrypted queue and environment, and to write to the encrypted table.
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
        statements.append(_allow("UseKey", ["kms:Decrypt"], settings.kms_key_arn))
    policy = iam.RolePolicy(
        f"{name}-role-policy",
        role=role.id,
        policy=policy_document(*statements),
        opts=opts,
    )
    return ExecutionRole(role=role, policy=policy)


def _allow(sid: str, actions: list[str], resource: pulumi.Input[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
