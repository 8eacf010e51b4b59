"""JSON number literals as DynamoDB numbers: exact, because their text is never converted."""

from function.outcome import RejectedError

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
SIGNIFICANT_DIGITS = 38
LARGEST_EXPONENT = 125
SMALLEST_EXPONENT = -130

# An exponent of more digits is out of range whatever the digits before it: no memory holds 10**18.
_EXPONENT_DIGITS = 18


class Number(str):
    """A number as DynamoDB takes it: 38 significant digits, 1E-130 to 9.9...E+125, or 0."""

    __slots__ = ()


def number(literal: str) -> Number:
    """Return a number literal, as RFC 8259 spells it, as a DynamoDB number of the same value.

    Takes time linear in the literal's length. Raises RejectedError if DynamoDB cannot hold the
    value exactly.
    """
    if len(literal) <= SIGNIFICANT_DIGITS and "e" not in literal and "E" not in literal:
        return Number(literal)  # too short to break a limit
    mantissa, _, exponent = literal.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    significant = (whole + fraction).lstrip("0")
    digits = significant.rstrip("0")
    if not digits:
        return Number("0")
    if len(digits) > SIGNIFICANT_DIGITS:
        raise RejectedError(
            f"number has {len(digits)} significant digits, DynamoDB holds {SIGNIFICANT_DIGITS}"
        )
    if len(exponent.lstrip("+-0")) > _EXPONENT_DIGITS:
        raise RejectedError(_TOO_SMALL if exponent.startswith("-") else _TOO_LARGE)
    # Leading zeros would count against the 4300 digits that int() converts.
    power = int(exponent.lstrip("+-0") or "0") * (-1 if exponent.startswith("-") else 1)
    # As in scientific notation: the power of ten of the first significant digit.
    magnitude = power - len(fraction) + len(significant) - 1
    if magnitude > LARGEST_EXPONENT:
        raise RejectedError(_TOO_LARGE)
    if magnitude < SMALLEST_EXPONENT:
        raise RejectedError(_TOO_SMALL)
    sign = "-" if literal.startswith("-") else ""
    return Number(f"{sign}{digits}E{magnitude - len(digits) + 1}")


_TOO_LARGE = f"number is too large, DynamoDB holds less than 1E+{LARGEST_EXPONENT + 1}"
_TOO_SMALL = f"number is too close to 0, DynamoDB holds 0 and from 1E{SMALLEST_EXPONENT}"
