"""What a version is, and why another value is none."""

import pytest

from function.number import Number, RejectedError
from function.version import Timestamp, parse_version

FIX = "; send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"
SECOND = "2025-03-30T01:00:00"


def test_a_number_is_its_own_version() -> None:
    assert parse_version(Number("7")) == Number("7")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        (f"{SECOND}Z", SECOND),
        (f"{SECOND}+00:00", SECOND),
        (f"{SECOND}.5Z", f"{SECOND}.5"),
        (f"{SECOND}.500+00:00", f"{SECOND}.5"),
        (f"{SECOND}.050Z", f"{SECOND}.05"),
        (f"{SECOND}.000Z", SECOND),
        (f"{SECOND}.123456789Z", f"{SECOND}.123456789"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59"),
        ("2024-02-29T12:30:59Z", "2024-02-29T12:30:59"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60"),
        ("2015-06-30T23:59:60.5Z", "2015-06-30T23:59:60.5"),
    ],
)
def test_a_timestamp_is_read_to_its_last_digit(text: str, instant: str) -> None:
    assert parse_version(text) == Timestamp(instant, text)


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-29T01:00:00Z",
        "2025-04-31T01:00:00Z",
        "2025-13-01T01:00:00Z",
        "2025-00-10T01:00:00Z",
        "2025-01-00T01:00:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_a_day_that_never_was_is_refused(text: str) -> None:
    with pytest.raises(RejectedError) as error:
        parse_version(text)
    assert str(error.value) == f"is no day of the calendar{FIX}"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is null"),
        (True, "is a boolean"),
        (False, "is a boolean"),
        ([], "is an array"),
        ({}, "is an object"),
        ("", 'has the form ""'),
        ("30 March 2025", 'has the form "99 aaaaa 9999"'),
        ("2025-03-30", 'has the form "9999-99-99"'),
        (f"{SECOND}", 'has the form "9999-99-99T99:99:99"'),
        (f"{SECOND}z", 'has the form "9999-99-99T99:99:99a"'),
        ("2025-03-30t01:00:00Z", 'has the form "9999-99-99a99:99:99Z"'),
        ("2025-03-30 01:00:00Z", 'has the form "9999-99-99 99:99:99Z"'),
        (f"{SECOND}+02:00", 'has the form "9999-99-99T99:99:99+99:99"'),
        (f"{SECOND}-00:00", 'has the form "9999-99-99T99:99:99-99:99"'),
        (f"{SECOND}.Z", 'has the form "9999-99-99T99:99:99.Z"'),
        (f"{SECOND}.1234567890Z", 'has the form "9999-99-99T99:99:99.9999999999Z"'),
        ("2025-03-30T24:00:00Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2025-03-30T01:60:00Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2025-03-30T01:00:61Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2016-12-31T22:59:60Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("2016-12-31T23:58:60Z", 'has the form "9999-99-99T99:99:99Z"'),
        (f"{SECOND}Z\n", 'has the form "9999-99-99T99:99:99Z\n"'),
        ("٢٠٢٥-03-30T01:00:00Z", 'has the form "9999-99-99T99:99:99Z"'),
        ("_Jürgen", 'has the form "_aaaaaa"'),
        ("7" * 40, f'has the form "{"9" * 40}"'),
        ("7" * 41, f'has the form "{"9" * 40}"...'),
    ],
)
def test_what_is_no_version_is_refused_by_its_form(value: object, problem: str) -> None:
    with pytest.raises(RejectedError) as error:
        parse_version(value)
    key = ", 9 for a digit, a for a letter" if "form" in problem else ""
    assert str(error.value) == problem + key + FIX
