"""CloudWatch Logs: where the function writes."""

from pulumi_aws import cloudwatch

from infra.settings import Scope


def create_log_group(scope: Scope) -> cloudwatch.LogGroup:
    """Make the log group, with its retention, before Lambda would make one that keeps forever."""
    settings = scope.settings
    return cloudwatch.LogGroup(
        f"{scope.name}-log-group",
        name=f"/aws/lambda/{settings.function_name}",
        retention_in_days=settings.log_retention_days,
        kms_key_id=settings.kms_key_arn,
        deletion_protection_enabled=settings.protect_data,
        opts=scope.protected,
    )
