"""How results look on a terminal: one style for all tables, and nothing raw of a message."""

from collections.abc import Sequence

from rich import box
from rich.table import Table


def make_table(title: str, columns: Sequence[str], legend: str = "") -> Table:
    """Make a table without upright lines: in a picture they would need one certain font."""
    table = Table(title=title, caption=legend, box=box.SIMPLE, title_style="bold")
    table.title_justify = table.caption_justify = "left"
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def mark(is_well: object) -> str:
    """Return a tick or a cross, in rich's markup."""
    return "[green]✓[/]" if is_well else "[red]✗[/]"


def printable(text: str) -> str:
    r"""Write as `\n`, `\x9b` or `\u202e` what forges a line, acts on a terminal or turns text."""
    escapes = {each: each.encode("unicode_escape").decode() for each in {*text}}
    return "".join(each if each.isprintable() else escapes[each] for each in text)


def short(value: float) -> str:
    """Return a figure with three digits, or all those of a larger number."""
    return f"{value:,.0f}" if value >= 100 else f"{round(value, 6):.3g}"
