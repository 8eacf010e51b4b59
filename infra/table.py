"""DynamoDB: the table whose items are the events themselves."""

import pulumi
from pulumi_aws import dynamodb

from infra.settings import EVENT_ID, Settings


def create_table(settings: Settings, opts: pulumi.ResourceOptions) -> dynamodb.Table:
    """Make the table: one item per event_id, paid per request, restorable to any second."""
    kms_key_arn = settings.kms_key_arn
    return dynamodb.Table(
        "table",
        name=settings.table_name,
        billing_mode="PAY_PER_REQUEST",
        # The key alone: DynamoDB refuses an attribute definition that no key uses.
        attributes=[dynamodb.TableAttributeArgs(name=EVENT_ID, type="S")],
        hash_key=EVENT_ID,
        point_in_time_recovery=dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
        server_side_encryption=dynamodb.TableServerSideEncryptionArgs(
            enabled=True, kms_key_arn=kms_key_arn
        )
        if kms_key_arn
        else None,
        deletion_protection_enabled=settings.protect_data,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(protect=settings.protect_data)
        ),
    )
