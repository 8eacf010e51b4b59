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
    """Event-carried state: each event of the queue becomes the item of its event_id.

    It can stand in any Pulumi program, more than once. `name` begins the name of each of its
    resources; `settings` is a value, and nothing here reads Pulumi's config; `opts` may bring an
    AWS provider of the settings' region.
    """

    def __init__(
        self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        def aliased(
            made: pulumi.ResourceTransformationArgs,
        ) -> pulumi.ResourceTransformationResult | None:
            # Stacks made when children were named without the component must keep their data.
            if made.resource is self:
                return None
            old = pulumi.Alias(name=made.name.removeprefix(f"{name}-"))
            also = pulumi.ResourceOptions(aliases=[old])
            return pulumi.ResourceTransformationResult(
                made.props, pulumi.ResourceOptions.merge(made.opts, also)
            )

        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=[aliased]))
        super().__init__("event-state:index:EventState", name, None, opts)

        # A renamed resource is made before the old one goes, so that a name that is taken leaves
        # it as it is. Said to each, for pulumi-aws asks for the opposite wherever a name is given:
        # https://www.pulumi.com/docs/iac/concepts/resources/options/deletebeforereplace/
        opts = pulumi.ResourceOptions(parent=self, delete_before_replace=False)
        queues = create_queues(name, settings, opts)
        partition, region = (
            queues.events.arn.apply(lambda arn, part=part: arn.split(":")[part]) for part in (1, 3)
        )
        table = create_table(name, settings, opts)
        log_group = create_log_group(name, settings, opts)
        role = create_execution_role(
            name, settings, opts, log_group=log_group, queue=queues.events, table=table
        )
        function = create_function(
            name, settings, opts, role=role, log_group=log_group, table=table
        )
        mapping = create_event_source_mapping(
            name, settings, opts, queue=queues.events, function=function
        )
        alarms = create_alarms(name, settings, opts, queues=queues, table=table, function=function)
        dashboard_url = create_dashboard(
            name,
            settings,
            opts,
            queues=queues,
            table=table,
            function=function,
            mapping=mapping,
            alarms=alarms,
            region=region,
            partition=partition,
        )

        self.queue_url: pulumi.Output[str] = queues.events.url
        self.queue_arn: pulumi.Output[str] = queues.events.arn
        self.dead_letter_queue_url: pulumi.Output[str] = queues.dead_letters.url
        self.table_name: pulumi.Output[str] = table.name
        self.table_stream_arn = table.stream_arn if settings.change_stream else None
        self.function_name: pulumi.Output[str] = function.name
        self.dashboard_url: pulumi.Output[str] = dashboard_url
        self.register_outputs(
            {
                "queueUrl": self.queue_url,
                "queueArn": self.queue_arn,
                "deadLetterQueueUrl": self.dead_letter_queue_url,
                "tableName": self.table_name,
                "tableStreamArn": self.table_stream_arn,
                "functionName": self.function_name,
                "dashboardUrl": self.dashboard_url,
            }
        )
