"""Numbers keep their value, or are refused: by literal, without arithmetic that could blow up."""

import time

import pytest

from function.number import number
from function.outcome import RejectedError


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("0", "0"),
        ("-0", "-0"),
        ("42", "42"),
        ("-17", "-17"),
        ("52.5200066", "52.5200066"),
        ("9007199254740993", "9007199254740993"),
        ("0.1", "0.1"),
        ("1" * 38, "1" * 38),
        ("-" + "1" * 37, "-" + "1" * 37),
        ("-" + "1" * 38, "-" + "1" * 38 + "E0"),
        ("1." + "2" * 37, "1" + "2" * 37 + "E-37"),
        ("1" + "0" * 38, "1E38"),
        ("0.00" + "3" * 38, "3" * 38 + "E-40"),
        ("-1.50" + "0" * 40, "-15E-1"),
        ("1e5", "1E5"),
        ("1E+5", "1E5"),
        ("1.5e-3", "15E-4"),
        ("-2.50E007", "-25E6"),
        ("1e0", "1E0"),
        ("0e0", "0"),
        ("-0.0e-5", "0"),
        ("0" + "." + "0" * 50, "0"),
        ("0e99999999999999999999", "0"),
        ("9" * 38 + "e88", "9" * 38 + "E88"),
        ("9.9e125", "99E124"),
        ("1e-130", "1E-130"),
        ("-1e-130", "-1E-130"),
        ("10e-131", "1E-130"),
        ("0.1e126", "1E125"),
        ("1e" + "0" * 5000 + "7", "1E7"),
        ("1e-" + "0" * 5000 + "7", "1E-7"),
        ("0." + "0" * 9999 + "1e10000", "1E0"),
        ("1" + "0" * 10000 + "e-10000", "1E0"),
    ],
)
def test_a_number_keeps_its_value(literal: str, text: str) -> None:
    assert number(literal) == text


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("1" * 39, "number has 39 significant digits, DynamoDB holds 38"),
        ("0." + "1" * 39, "number has 39 significant digits, DynamoDB holds 38"),
        (
            "1.0000000000000000000000000000000000000001",
            "number has 41 significant digits, DynamoDB holds 38",
        ),
        ("1" * 40 + "e-3", "number has 40 significant digits, DynamoDB holds 38"),
        ("1e126", "number is too large, DynamoDB holds less than 1E+126"),
        ("-10e125", "number is too large, DynamoDB holds less than 1E+126"),
        ("1" + "0" * 126, "number is too large, DynamoDB holds less than 1E+126"),
        ("1e9999999999999999999", "number is too large, DynamoDB holds less than 1E+126"),
        ("1E+" + "9" * 5000, "number is too large, DynamoDB holds less than 1E+126"),
        ("1e-131", "number is too close to 0, DynamoDB holds 0 and from 1E-130"),
        ("0.1e-130", "number is too close to 0, DynamoDB holds 0 and from 1E-130"),
        ("1e-" + "9" * 5000, "number is too close to 0, DynamoDB holds 0 and from 1E-130"),
    ],
)
def test_a_number_that_dynamodb_cannot_hold_is_refused(literal: str, reason: str) -> None:
    with pytest.raises(RejectedError) as error:
        number(literal)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    "literal",
    ["1" + "0" * 2**20, "0." + "0" * 2**20 + "1", "7" * 2**20, "1e" + "9" * 2**20],
    ids=["zeros", "fraction", "digits", "exponent"],
)
def test_a_number_as_long_as_a_message_takes_no_time(literal: str) -> None:
    started = time.process_time()
    with pytest.raises(RejectedError):
        number(literal)
    assert time.process_time() - started < 0.5  # milliseconds; as an int it would take seconds
