"""The Pulumi program: the stack's settings, the pattern, its outputs."""

import pulumi

from infra.event_state import EventState
from infra.settings import Settings

settings = Settings.load()
event_state = EventState("event-state", settings)

pulumi.export("queueUrl", event_state.queue_url)
pulumi.export("queueArn", event_state.queue_arn)
pulumi.export("deadLetterQueueUrl", event_state.dead_letter_queue_url)
pulumi.export("tableName", event_state.table_name)
if event_state.table_stream_arn is not None:
    pulumi.export("tableStreamArn", event_state.table_stream_arn)
pulumi.export("versionAttribute", settings.version_attribute or "")
pulumi.export("functionName", event_state.function_name)
pulumi.export("dashboardUrl", event_state.dashboard_url)
