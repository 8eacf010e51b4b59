"""DynamoDB: the table whose items are the events themselves."""

from pulumi_aws import dynamodb

from infra.settings import Scope


def create_table(scope: Scope) -> dynamodb.Table:
    """Make the table: one item for each key, paid per request, restorable to any second."""
    settings = scope.settings
    return dynamodb.Table(
        f"{scope.name}-table",
        name=settings.table_name,
        billing_mode="PAY_PER_REQUEST",
        # The key alone: DynamoDB refuses an attribute definition that no key uses.
        attributes=[dynamodb.TableAttributeArgs(name=settings.key_attribute, type="S")],
        hash_key=settings.key_attribute,
        point_in_time_recovery=dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
        stream_enabled=settings.change_stream,
        stream_view_type="NEW_AND_OLD_IMAGES" if settings.change_stream else None,
        # Said where they are off, too: the provider leaves on what is no longer mentioned.
        server_side_encryption=dynamodb.TableServerSideEncryptionArgs(
            enabled=settings.kms_key_arn is not None, kms_key_arn=settings.kms_key_arn
        ),
        ttl=dynamodb.TableTtlArgs(
            enabled=settings.expiry_attribute is not None, attribute_name=settings.expiry_attribute
        ),
        deletion_protection_enabled=settings.protect_data,
        opts=scope.protected,
    )
