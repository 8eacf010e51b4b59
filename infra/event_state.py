"""The pattern as one component: producers -> queue -> function -> table."""

from typing import Optional

import pulumi
from pydantic.alias_generators import to_camel

from infra.alarms import create_alarms
from infra.arguments import EventStateArgs
from infra.dashboard import create_dashboard
from infra.event_source_mapping import create_event_source_mapping
from infra.function import create_function
from infra.logs import create_log_group
from infra.queue import create_queues
from infra.role import create_execution_role
from infra.settings import Scope, settings_of
from infra.table import create_table


class EventState(pulumi.ComponentResource):
    """A queue, a function and a table that keeps the newest event of each key, whatever comes."""

    queue_url: pulumi.Output[str]
    """URL of the queue that producers send events to."""
    queue_arn: pulumi.Output[str]
    """ARN of the queue."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue that keeps what could not be stored."""
    dead_letter_queue_arn: pulumi.Output[str]
    """ARN of the dead-letter queue."""
    table_name: pulumi.Output[str]
    """Name of the table."""
    table_arn: pulumi.Output[str]
    """ARN of the table."""
    table_stream_arn: Optional[pulumi.Output[str]]  # noqa: UP045 (the schema knows no other form)
    """ARN of the table's stream, with changeStream."""
    function_name: pulumi.Output[str]
    """Name of the function that stores the events."""
    function_arn: pulumi.Output[str]
    """ARN of the function."""
    role_arn: pulumi.Output[str]
    """ARN of the function's role."""
    key_attribute: pulumi.Output[str]
    """Member that identifies the state."""
    version_attribute: pulumi.Output[str]
    """Member that orders the events of one key, or "" if none does."""
    dashboard_url: pulumi.Output[str]
    """Address of the dashboard in AWS's console."""

    def __init__(
        self, name: str, args: EventStateArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        settings = settings_of(name, args)
        super().__init__("event-state:index:EventState", name, None, opts)
        # A renamed resource is made before the old one goes, so that a name that is taken leaves
        # it as it is. Said to each, for pulumi-aws asks for the opposite wherever a name is given:
        # https://www.pulumi.com/docs/iac/concepts/resources/options/deletebeforereplace/
        opts = pulumi.ResourceOptions(parent=self, delete_before_replace=False)
        scope = Scope(name, settings, opts)
        queues = create_queues(scope)
        table = create_table(scope)
        log_group = create_log_group(scope)
        role, policy = create_execution_role(scope, log_group, queues, table)
        function = create_function(scope, role, policy, log_group, queues, table)
        mapping = create_event_source_mapping(scope, queues.events, function)
        alarms = create_alarms(scope, queues, table, function)

        self.queue_url = queues.events.url
        self.queue_arn = queues.events.arn
        self.dead_letter_queue_url = queues.dead_letters.url
        self.dead_letter_queue_arn = queues.dead_letters.arn
        self.table_name = table.name
        self.table_arn = table.arn
        self.table_stream_arn = table.stream_arn if settings.change_stream else None
        self.function_name = function.name
        self.function_arn = function.arn
        self.role_arn = role.arn
        self.key_attribute = pulumi.Output.from_input(settings.key_attribute)
        self.version_attribute = pulumi.Output.from_input(settings.version_attribute)
        self.dashboard_url = create_dashboard(scope, queues, table, function, mapping, alarms)
        outputs = [name for name in EventState.__annotations__ if getattr(self, name) is not None]
        self.register_outputs({to_camel(name): getattr(self, name) for name in outputs})
