"""IAM: what the function may do, and nothing else."""

import pulumi
from pulumi_aws import cloudwatch, dynamodb, iam

from infra.policy import Arn, Statement, policy_document
from infra.queue import Queues
from infra.settings import Scope


def create_execution_role(
    scope: Scope, log_group: cloudwatch.LogGroup, queues: Queues, table: dynamodb.Table
) -> tuple[iam.Role, iam.RolePolicy]:
    """Make the role: write to this log, consume this queue, put into this table.

    Its one policy must exist before the function does.
    """
    settings = scope.settings
    role = iam.Role(
        f"{scope.name}-role",  # no fixed name: IAM is global to the account
        description=f"Execution role of the Lambda function {settings.function_name}",
        assume_role_policy=policy_document(
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ),
        permissions_boundary=settings.permissions_boundary_arn,
        opts=scope.opts,
    )
    streams = pulumi.Output.concat(log_group.arn, ":*")
    statements = [
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], streams),
        # https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#events-sqs-permissions
        _allow(
            "ConsumeQueue",
            ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            queues.events.arn,
        ),
        _allow("PutItems", ["dynamodb:PutItem"], table.arn),
    ]
    if settings.read_before_write:
        statements.append(_allow("ReadVersions", ["dynamodb:BatchGetItem"], table.arn))
    if settings.managed_retries:
        statements += [
            _allow("DelayRetries", ["sqs:ChangeMessageVisibility"], queues.events.arn),
            _allow("SendDeadLetters", ["sqs:SendMessage"], queues.dead_letters.arn),
        ]
    if settings.kms_key_arn:
        # To read the encrypted queue and environment, and to write to the encrypted table; data
        # keys are for sending. Not bound by kms:ViaService: AWS says so of SQS and DynamoDB, but
        # on no page that Lambda asks for the environment as a service on behalf of this role.
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
        data_keys = ["kms:GenerateDataKey"] if settings.managed_retries else []
        statements.append(_allow("UseKey", ["kms:Decrypt", *data_keys], settings.kms_key_arn))
    policy = iam.RolePolicy(
        f"{scope.name}-role-policy",
        role=role.id,
        policy=policy_document(*statements),
        opts=scope.opts,
    )
    return role, policy


def _allow(sid: str, actions: list[str], resource: Arn) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
