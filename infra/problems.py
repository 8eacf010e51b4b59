"""What is wrong with arguments, and how it is said: all at once, in a language's spelling."""

import difflib
import re
import reprlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pulumi

LONGEST_VALUE = 300


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with one key; other keys stand in its rule in {braces}."""

    key: str
    value: object
    rule: str
    is_known: bool = True

    def said(self, spell: Callable[[str], str]) -> str:
        """Say it in one sentence, with the keys as a language spells them."""
        rule = re.sub(r"\{(\w+)\}", lambda key: spell(key[1]), self.rule)
        shortened = reprlib.Repr()
        shortened.maxstring = shortened.maxother = LONGEST_VALUE
        return (
            f"{spell(self.key)} is {shortened.repr(self.value)}: {rule}" if self.is_known else rule
        )


class ArgumentsError(pulumi.RunError):
    """Says every problem of a component's arguments; Pulumi prints it without a traceback."""

    def __init__(
        self, name: str, problems: Sequence[Problem], spell: Callable[[str], str] = str
    ) -> None:
        self.problems = problems
        where = f"the arguments of EventState {name!r}; nothing was made"
        super().__init__(listed(where, [each.said(spell) for each in problems]))


def listed(where: str, said: Sequence[str]) -> str:
    """Say how many there are where, and each on a line of its own."""
    head = f"{len(said)} problem{'s' if len(said) > 1 else ''} in {where}:"
    return "\n  - ".join([head, *said])


def unknown(key: str, known: Iterable[str]) -> Problem:
    """Say that there is no such key, and which of the known ones may be meant."""
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; the nearest one is {near[0]}" if near else ""
    return Problem(key=key, value=None, rule=f"{key} is no key of EventState{hint}", is_known=False)
