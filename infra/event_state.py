"""The pattern as one component: producers -> queue -> function -> table."""

import pulumi

from infra.alarms import create_alarms
from infra.dashboard import create_dashboard
from infra.function import create_function
from infra.logs import create_log_group
from infra.mapping import create_event_source_mapping
from infra.queue import create_queues
from infra.role import create_execution_role
from infra.settings import Settings
from infra.table import create_table


class EventState(pulumi.ComponentResource):
    """Event-carried state: each event of the queue becomes the item of its event_id."""

    queue_url: pulumi.Output[str]
    queue_arn: pulumi.Output[str]
    dead_letter_queue_url: pulumi.Output[str]
    table_name: pulumi.Output[str]
    function_name: pulumi.Output[str]
    dashboard_url: pulumi.Output[str]

    def __init__(
        self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("event-state:index:EventState", name, None, opts)

        # A renamed resource is made before the old one goes, so that a name that is taken loses
        # nothing. Said to each, for pulumi-aws asks for the opposite wherever a name is given:
        # https://www.pulumi.com/docs/iac/concepts/resources/options/deletebeforereplace/
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=False)
        queues = create_queues(settings, child)
        table = create_table(settings, child)
        log_group = create_log_group(settings, child)
        role = create_execution_role(
            settings, child, log_group=log_group, queue=queues.events, table=table
        )
        function = create_function(settings, child, role=role, log_group=log_group, table=table)
        mapping = create_event_source_mapping(
            settings, child, queue=queues.events, function=function
        )
        alarms = create_alarms(settings, child, queues=queues, table=table, function=function)
        dashboard_url = create_dashboard(
            settings,
            child,
            queues=queues,
            table=table,
            function=function,
            mapping=mapping,
            alarms=alarms,
        )

        self.queue_url = queues.events.url
        self.queue_arn = queues.events.arn
        self.dead_letter_queue_url = queues.dead_letters.url
        self.table_name = table.name
        self.function_name = function.name
        self.dashboard_url = dashboard_url
        self.register_outputs(
            {
                "queueUrl": self.queue_url,
                "queueArn": self.queue_arn,
                "deadLetterQueueUrl": self.dead_letter_queue_url,
                "tableName": self.table_name,
                "functionName": self.function_name,
                "dashboardUrl": self.dashboard_url,
            }
        )
