"""Lambda: the function, and the files it is made of."""

from pathlib import Path
from typing import Final

import pulumi
from pulumi_aws import lambda_
from pulumi_aws.cloudwatch import LogGroup
from pulumi_aws.dynamodb import Table
from pulumi_aws.iam import Role, RolePolicy

from infra.queue import Queues
from infra.settings import Scope

SOURCE: Final = Path(__file__).parent.parent / "function"


def create_function(
    scope: Scope, role: Role, policy: RolePolicy, log_group: LogGroup, queues: Queues, table: Table
) -> lambda_.Function:
    """Make the function, once its role may do what the handler does."""
    settings = scope.settings
    # What the function goes by; what is not set stays out.
    variables: dict[str, pulumi.Input[str] | None] = {
        "TABLE_NAME": table.name,
        "KEY_ATTRIBUTE": settings.key_attribute,
        "VERSION_ATTRIBUTE": settings.version_attribute or None,
        "REQUIRE_VERSION": "true" if settings.require_version else None,
        "APPEND_ONLY": "true" if settings.append_only else None,
        "READ_BEFORE_WRITE": "true" if settings.read_before_write else None,
        "QUEUE_URL": queues.events.url if settings.managed_retries else None,
        "DEAD_LETTER_QUEUE_URL": queues.dead_letters.url if settings.managed_retries else None,
    }
    return lambda_.Function(
        f"{scope.name}-function",
        name=settings.function_name,
        description="Stores each event of the queue as an item of the table",
        role=role.arn,
        # The newest that the function's tests run on; Lambda keeps it until 2029.
        # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
        runtime=lambda_.Runtime.PYTHON3D13,
        architectures=["arm64"],
        handler="function.handler.handler",
        code=source_archive(),
        timeout=settings.function_timeout_seconds,
        memory_size=settings.function_memory_mb,
        environment={"variables": {k: v for k, v in variables.items() if v is not None}},
        kms_key_arn=settings.kms_key_arn,
        logging_config=lambda_.FunctionLoggingConfigArgs(
            log_format="JSON",
            log_group=log_group.name,
            # Said, so that what was set by hand is undone. Above INFO the counts would be lost,
            # which are a line of the log, and Lambda's own line on time and memory.
            application_log_level="INFO",
            system_log_level="INFO",
        ),
        # Follows the caller's decision to trace; Active would need permissions of its own.
        tracing_config=lambda_.FunctionTracingConfigArgs(mode="PassThrough"),
        opts=scope.opts_with(depends_on=[policy]),
    )


def source_archive() -> pulumi.AssetArchive:
    """Name each source file: a folder would take in whatever lies there, such as __pycache__.

    The files are found from any program; of where they lie, the archive's hash knows nothing.
    """
    paths = sorted(SOURCE.glob("*.py"))
    return pulumi.AssetArchive({f"function/{path.name}": pulumi.FileAsset(path) for path in paths})
