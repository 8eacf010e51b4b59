"""The commands: their options, their help, and where each is done."""

# Each command imports what it needs: help comes at once, and Pulumi, which cannot even be imported
# without a temporary folder, after the check for one.

from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Everything around the program: run it on a local AWS, look at it, load it.",
)


@app.callback()
def _commands() -> None:
    """Everything around the program: run it on a local AWS, look at it, load it."""


@app.command()
def capacity(
    rate: Annotated[float, typer.Option(min=1e-3, max=1e9, help="Events per second.")],
    size: Annotated[int, typer.Option(min=1, max=400, help="Of an event, in KB.")] = 1,
    hot: Annotated[float, typer.Option(min=0, max=1, help="Share of the hottest id.")] = 0,
    repeats: Annotated[
        float, typer.Option(min=0, max=1, help="Share of events that are stored already, or older.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="batchSize")] = 10,
    window: Annotated[int, typer.Option(min=0, max=300, help="batchWindowSeconds")] = 0,
    memory: Annotated[int, typer.Option(min=128, max=10_240, help="functionMemoryMb")] = 512,
    read_before_write: Annotated[
        bool, typer.Option("--read-before-write", help="readBeforeWrite")
    ] = False,
    answer_ms: Annotated[
        float, typer.Option(min=0.1, max=10_000, help="DynamoDB's answer to a request.")
    ] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Tell what a load needs of AWS and costs a month: docs/scaling.md."""
    from tools.capacity import SQS_BATCH, Load, report

    if batch > SQS_BATCH and not window:
        raise typer.BadParameter("--batch above 10 needs a --window of at least 1, as on AWS")
    load = Load(
        rate=rate,
        size_bytes=size * 1024,
        hot=hot,
        repeats=repeats,
        batch_size=batch,
        batch_window_seconds=window,
        memory_mb=memory,
        read_before_write=read_before_write,
        answer_ms=answer_ms,
    )
    report(load, as_json=as_json)
