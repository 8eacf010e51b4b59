"""The Pulumi program: the stack's config, the pattern, its outputs."""

import pulumi

from infra.arguments import EventStateArgs
from infra.config import load_arguments
from infra.event_state import EventState

PATTERN: EventStateArgs = {
    "queue_name": "event-state-queue",
    "table_name": "event-state-target-table",
    "function_name": "EventUpsertLambda",
}
event_state = EventState("event-state", load_arguments(PATTERN))

pulumi.export("queueUrl", event_state.queue_url)
pulumi.export("queueArn", event_state.queue_arn)
pulumi.export("deadLetterQueueUrl", event_state.dead_letter_queue_url)
pulumi.export("tableName", event_state.table_name)
if event_state.table_stream_arn is not None:
    pulumi.export("tableStreamArn", event_state.table_stream_arn)
pulumi.export("keyAttribute", event_state.key_attribute)
pulumi.export("versionAttribute", event_state.version_attribute)
pulumi.export("functionName", event_state.function_name)
pulumi.export("dashboardUrl", event_state.dashboard_url)
