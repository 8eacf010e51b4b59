"""CloudWatch Logs: where the function writes."""

import pulumi
from pulumi_aws import cloudwatch

from infra.settings import Settings, protected


def create_log_group(
    name: str, settings: Settings, opts: pulumi.ResourceOptions
) -> cloudwatch.LogGroup:
    """Make the log group, with its retention, before Lambda would make one that keeps forever."""
    return cloudwatch.LogGroup(
        f"{name}-log-group",
        name=f"/aws/lambda/{settings.function_name}",
        retention_in_days=settings.log_retention_days,
        kms_key_id=settings.kms_key_arn,
        deletion_protection_enabled=settings.protect_data,
        opts=protected(opts, settings),
    )
