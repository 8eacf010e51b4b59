"""Numbers keep their value, or are refused, in time linear in their length."""

from decimal import Decimal

import pytest
from boto3.dynamodb.types import DYNAMODB_CONTEXT

from function.number import RejectedError, number

DIGITS = "number has more than the 38 significant digits that DynamoDB holds"
LARGE = "number is too large, DynamoDB holds less than 1E+126"
SMALL = "number is too close to 0, DynamoDB holds 0 and from 1E-130"


@pytest.mark.parametrize(
    "literal",
    [
        *("0", "-0", "42", "-17", "52.5200066", "9007199254740993", "0.1", "1.50", "1" * 38),
        *("-" + "1" * 38, "1." + "2" * 37, "0.00" + "3" * 38, "1" + "0" * 38, "-1.5" + "0" * 40),
        *("1e5", "1E+5", "1.5e-3", "-2.50E007", "1e0", "0e0", "-0.0e-5", "0." + "0" * 50),
        *("9" * 38 + "e88", "9.9e125", "0.1e126", "1e-130", "-1e-130", "10e-131"),
        *("1e" + "0" * 5000 + "7", "1e-" + "0" * 5000 + "7", "0." + "0" * 9999 + "1e10000"),
        "1" + "0" * 10000 + "e-10000",
    ],
    ids=lambda literal: literal[:20],
)
def test_a_number_keeps_its_value(literal: str) -> None:
    assert DYNAMODB_CONTEXT.create_decimal(number(literal)) == Decimal(literal)


def test_a_short_literal_stays_as_it_is_spelled_and_any_zero_is_zero() -> None:
    assert [number(each) for each in ("1.50", "-0", "1e0")] == ["1.50", "-0", "1"]
    assert number("0e99999999999999999999") == "0"


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        *((each, DIGITS) for each in ("1" * 39, "0." + "1" * 39, "1" * 40 + "e-3")),
        ("1.0000000000000000000000000000000000000001", DIGITS),
        *((each, LARGE) for each in ("1e126", "-10e125", "1" + "0" * 126)),
        *((each, LARGE) for each in ("1e9999999999999999999", "1E+" + "9" * 5000)),
        *((each, SMALL) for each in ("1e-131", "0.1e-130", "1.5e-131", "1e-" + "9" * 5000)),
    ],
    ids=lambda text: text[:20],
)
def test_a_number_that_dynamodb_cannot_hold_is_refused(literal: str, reason: str) -> None:
    with pytest.raises(RejectedError) as error:
        number(literal)
    assert str(error.value) == reason
