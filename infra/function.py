"""Lambda: the function, and the files it is made of."""

from pathlib import Path
from typing import Final

import pulumi
from pulumi_aws import cloudwatch, dynamodb, lambda_

from infra.role import ExecutionRole
from infra.settings import Settings

PROJECT: Final = Path(__file__).parent.parent
SOURCE: Final = "function"
HANDLER: Final = "function.handler.handler"


def create_function(
    name: str,
    settings: Settings,
    opts: pulumi.ResourceOptions,
    *,
    role: ExecutionRole,
    log_group: cloudwatch.LogGroup,
    table: dynamodb.Table,
) -> lambda_.Function:
    """Make the function, once its role may do what the handler does."""
    variables: dict[str, pulumi.Input[str]] = {"TABLE_NAME": table.name}
    if settings.version_attribute:
        variables["VERSION_ATTRIBUTE"] = settings.version_attribute
    return lambda_.Function(
        f"{name}-function",
        name=settings.function_name,
        description="Stores each event of the queue as the item of its event_id",
        role=role.role.arn,
        runtime=lambda_.Runtime.PYTHON3D13,
        architectures=["arm64"],
        handler=HANDLER,
        code=source_archive(),
        timeout=settings.function_timeout_seconds,
        memory_size=settings.function_memory_mb,
        environment=lambda_.FunctionEnvironmentArgs(variables=variables),
        kms_key_arn=settings.kms_key_arn,
        logging_config=lambda_.FunctionLoggingConfigArgs(
            log_format="JSON", log_group=log_group.name
        ),
        # Follows the caller's decision to trace; Active would need permissions of its own.
        tracing_config=lambda_.FunctionTracingConfigArgs(mode="PassThrough"),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role.policy])),
    )


def source_archive() -> pulumi.AssetArchive:
    """Name each source file: a folder would take in whatever lies there, such as __pycache__.

    The files are found from any program; of where they lie, the archive's hash knows nothing.
    """
    paths = sorted((PROJECT / SOURCE).glob("*.py"))
    return pulumi.AssetArchive({f"{SOURCE}/{path.name}": pulumi.FileAsset(path) for path in paths})
