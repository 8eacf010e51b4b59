"""The commands: their options, their help, and where each is done."""

# Each command imports what it needs: help comes at once, and Pulumi, which cannot even be imported
# without a temporary folder, after the check for one.

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Everything around the program: run it on a local AWS, look at it, load it.",
)
