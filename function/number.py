"""JSON number literals as DynamoDB numbers, exact."""

from decimal import Context, DecimalException, Inexact, Overflow, Subnormal, Underflow

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
SIGNIFICANT_DIGITS, SMALLEST_EXPONENT, LARGEST_EXPONENT = 38, -130, 125
_SMALL = f"is too close to 0, DynamoDB holds 0 and from 1E{SMALLEST_EXPONENT}"
_REASONS: dict[type[DecimalException], str] = {
    Overflow: f"is too large, DynamoDB holds less than 1E+{LARGEST_EXPONENT + 1}",
    Subnormal: _SMALL,
    Underflow: _SMALL,
    Inexact: f"has more than the {SIGNIFICANT_DIGITS} significant digits that DynamoDB holds",
}
_DYNAMODB = Context(
    SIGNIFICANT_DIGITS, None, SMALLEST_EXPONENT, LARGEST_EXPONENT, traps=[*_REASONS]
)


class RejectedError(Exception):
    """Why a message can never be stored: for people, and telling no more of it than its form."""


class Number(str):
    """A number as DynamoDB takes it: 38 significant digits, 1E-130 to 9.9...E+125, or 0."""

    __slots__ = ()


def number(literal: str) -> Number:
    """Return a number literal, as RFC 8259 spells it, as a DynamoDB number of the same value.

    Takes time linear in its length. Raises RejectedError if DynamoDB cannot hold the value exactly.
    """
    if len(literal) <= SIGNIFICANT_DIGITS and "e" not in literal and "E" not in literal:
        return Number(literal)  # too short to break a limit
    try:
        return Number(_DYNAMODB.create_decimal(literal).normalize(_DYNAMODB))
    except DecimalException as error:
        raise RejectedError(f"number {_REASONS[type(error)]}") from None
