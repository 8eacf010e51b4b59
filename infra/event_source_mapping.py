"""Lambda's event source mapping: from the queue to the function."""

from pulumi_aws import lambda_, sqs

from infra.settings import Scope


def create_event_source_mapping(
    scope: Scope, queue: sqs.Queue, function: lambda_.Function
) -> lambda_.EventSourceMapping:
    """Let Lambda poll the queue; through the function it waits for the role's policy."""
    settings, limit = scope.settings, scope.settings.maximum_concurrency
    return lambda_.EventSourceMapping(
        f"{scope.name}-event-source-mapping",
        event_source_arn=queue.arn,
        function_name=function.arn,
        batch_size=settings.batch_size,
        maximum_batching_window_in_seconds=settings.batch_window_seconds,
        # Without it Lambda deletes the whole batch, failed messages too, when the handler returns.
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        function_response_types=["ReportBatchItemFailures"],
        scaling_config={"maximum_concurrency": limit} if limit else None,
        metrics_config=lambda_.EventSourceMappingMetricsConfigArgs(metrics=["EventCount"]),
        # Lambda takes one mapping per queue and function, so here the old one goes first.
        opts=scope.opts_with(delete_before_replace=True),
    )
