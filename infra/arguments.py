"""What the component takes: the one place that describes each key, in every language."""

from typing import TypedDict

import pulumi


class EventStateArgs(TypedDict, total=False):
    """The arguments of EventState; each may be left out.

    The same keys stand in a stack's config and in other languages, there in camelCase.
    """

    queue_name: str
    """Name of the SQS queue; its dead-letter queue is the same name with "-dlq". Default:
    the component's and the stack's name, NAME-STACK."""
    table_name: str
    """Name of the DynamoDB table that holds one event for each key. Default: NAME-STACK."""
    function_name: str
    """Name of the Lambda function; its log group is named after it, so are the alarms and the
    dashboard. Default: NAME-STACK."""
    key_attribute: str
    """Member that identifies the state: the table's key, a string. A live table's key never
    changes. Default: event_id."""
    batch_size: int
    """Most messages for one invocation, 1-10000; above 10 needs a window. Default: 10."""
    batch_window_seconds: int
    """Seconds that Lambda may wait to fill a batch, 0-300. Default: 0."""
    maximum_concurrency: int
    """Most invocations that the queue may run at once, 2-1000. Default: no limit but the
    account's."""
    function_timeout_seconds: int
    """Seconds that an invocation may take, 1-900. The queue's visibility timeout is six times
    that and the window. Default: 30."""
    function_memory_mb: int
    """Memory of the function in MB, 128-10240; its share of a CPU follows. Default: 512."""
    managed_retries: bool
    """Whether the function itself sends what can never be stored to the dead-letter queue, with
    the reason, and spaces out the deliveries of what failed, up to 15 minutes, so that an outage
    of hours makes no dead letters. Default: false."""
    max_receive_count: int
    """Deliveries of a message before SQS moves it to the dead-letter queue, 1-1000. Default: 5,
    and 30 with managed retries."""
    version_attribute: str
    """Member that orders the events of one key, a number or an RFC 3339 timestamp in UTC: an
    event never overwrites a newer one. "" lets the last arrival win. Default: timestamp."""
    require_version: bool
    """Whether an event without a version is rejected. Default: false."""
    append_only: bool
    """Whether the first event of a key stays as it is for ever, and another one is rejected.
    There is no version then. Default: false."""
    read_before_write: bool
    """Whether the stored versions are read first, which saves the writes of events that are older
    or repeated. Worth it where many are. Default: false."""
    log_retention_days: int
    """Days for which the function's log is kept, one of the values that CloudWatch Logs takes.
    Default: 30."""
    protect_data: bool
    """Whether Pulumi refuses to delete table, queues and log group, DynamoDB the table and
    CloudWatch the log group. Default: false."""
    kms_key_arn: pulumi.Input[str]
    """ARN of a customer KMS key, in the provider's region, for queues, table, log, function
    environment and alarm topic. Default: AWS's own keys."""
    alarm_email: str
    """E-mail address that a new SNS topic tells of alarms, once confirmed. Default: none."""
    alarm_topic_arn: pulumi.Input[str]
    """ARN of a standard SNS topic that is told of alarms, instead of an address. Default: none."""
    runbook_url: str
    """Address, https://, of the page that the alarms' descriptions link to; each adds "#" and the
    alarm's name. Default: none."""
    topic_arns: list[pulumi.Input[str]]
    """ARNs of the SNS topics that may send to the queue. Default: none."""
    rule_arns: list[pulumi.Input[str]]
    """ARNs of the EventBridge rules that may send to the queue. Default: none."""
    change_stream: bool
    """Whether the table has a stream of its changes, with new and old images. Default: false."""
    expiry_attribute: str
    """Member with the second since 1970 after which DynamoDB may delete the item. Default:
    none."""
    permissions_boundary_arn: pulumi.Input[str]
    """ARN of the IAM policy that bounds what the function's role may do. Default: none."""
