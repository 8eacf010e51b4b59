"""What a version is, how versions rank, and which condition guards each kind."""

from itertools import pairwise

import pytest

from function.number import Number
from function.outcome import RejectedError
from function.version import Timestamp, Version, condition, parse_version, rank

MEND = "; send a JSON number or an RFC 3339 timestamp in UTC such as 2025-03-30T01:00:00.5Z"
SECOND = "2025-03-30T01:00:00"


def test_a_number_is_its_own_version() -> None:
    assert parse_version(Number("7")) == Number("7")


@pytest.mark.parametrize(
    ("text", "second", "fraction"),
    [
        (f"{SECOND}Z", SECOND, ""),
        (f"{SECOND}+00:00", SECOND, ""),
        (f"{SECOND}.5Z", SECOND, "5"),
        (f"{SECOND}.500+00:00", SECOND, "5"),
        (f"{SECOND}.050Z", SECOND, "05"),
        (f"{SECOND}.000Z", SECOND, ""),
        (f"{SECOND}.123456789Z", SECOND, "123456789"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00", ""),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59", ""),
        ("2024-02-29T12:30:59Z", "2024-02-29T12:30:59", ""),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60", ""),
        ("2015-06-30T23:59:60.5Z", "2015-06-30T23:59:60", "5"),
    ],
)
def test_a_timestamp_is_read_to_its_last_digit(text: str, second: str, fraction: str) -> None:
    assert parse_version(text) == Timestamp(second, fraction, text)


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-29T01:00:00Z",
        "2025-04-31T01:00:00Z",
        "2025-13-01T01:00:00Z",
        "2025-00-10T01:00:00Z",
        "2025-01-00T01:00:00Z",
        "0000-01-01T00:00:00Z",
        "2016-12-30T23:59:60Z",
        "2016-12-31T22:59:60Z",
        "2016-12-31T23:58:60Z",
    ],
)
def test_a_moment_that_never_was_is_refused(text: str) -> None:
    with pytest.raises(RejectedError) as error:
        parse_version(text)
    assert str(error.value) == f"is no moment of the calendar{MEND}"


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
    assert str(error.value) == problem + MEND


def test_versions_rank_from_none_over_numbers_to_timestamps() -> None:
    rising: list[Version] = [
        None,
        Number("-1E125"),
        Number("0"),
        Number("9007199254740992"),
        Number("9007199254740993"),
        Number("1E125"),
        parse_version("0001-01-01T00:00:00Z"),
        parse_version(f"{SECOND}Z"),
        parse_version(f"{SECOND}.05Z"),
        parse_version(f"{SECOND}.5Z"),
        parse_version(f"{SECOND}.51Z"),
        parse_version("2025-03-30T01:00:01Z"),
        parse_version("2025-06-30T23:59:59.999999999Z"),
        parse_version("2025-06-30T23:59:60Z"),
        parse_version("2025-07-01T00:00:00Z"),
    ]
    assert all(rank(older) < rank(newer) for older, newer in pairwise(rising))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Number("1"), Number("10E-1")),
        (Number("0"), Number("-0")),
        (parse_version(f"{SECOND}Z"), parse_version(f"{SECOND}.000+00:00")),
        (parse_version(f"{SECOND}.5Z"), parse_version(f"{SECOND}.50Z")),
    ],
)
def test_the_same_version_in_two_spellings_ranks_the_same(one: Version, other: Version) -> None:
    assert rank(one) == rank(other)


def test_an_event_without_version_is_written_only_where_there_is_none() -> None:
    assert condition(None, "timestamp") == {
        "ConditionExpression": "attribute_not_exists(#version)",
        "ExpressionAttributeNames": {"#version": "timestamp"},
    }


def test_a_number_is_compared_with_numbers_and_yields_to_strings() -> None:
    assert condition(Number("7"), "revision") == {
        "ConditionExpression": "attribute_not_exists(#version) OR #version <= :version"
        " OR NOT (attribute_type(#version, :number) OR attribute_type(#version, :string))",
        "ExpressionAttributeNames": {"#version": "revision"},
        "ExpressionAttributeValues": {
            ":version": {"N": "7"},
            ":number": {"S": "N"},
            ":string": {"S": "S"},
        },
    }


def test_a_whole_second_is_compared_as_text() -> None:
    assert condition(parse_version(f"{SECOND}Z"), "timestamp") == {
        "ConditionExpression": "attribute_not_exists(#version)"
        " OR NOT attribute_type(#version, :string) OR #version < :bound OR #version IN (:v0)",
        "ExpressionAttributeNames": {"#version": "timestamp"},
        "ExpressionAttributeValues": {
            ":string": {"S": "S"},
            ":bound": {"S": SECOND},
            ":v0": {"S": f"{SECOND}Z"},
        },
    }


def test_a_fraction_lists_its_proper_prefixes_as_earlier() -> None:
    assert condition(parse_version(f"{SECOND}.5190+00:00"), "timestamp") == {
        "ConditionExpression": "attribute_not_exists(#version)"
        " OR NOT attribute_type(#version, :string) OR #version < :bound"
        " OR #version IN (:v0, :v1, :v2, :v3)",
        "ExpressionAttributeNames": {"#version": "timestamp"},
        "ExpressionAttributeValues": {
            ":string": {"S": "S"},
            ":bound": {"S": f"{SECOND}.519"},
            ":v0": {"S": f"{SECOND}.5190+00:00"},
            ":v1": {"S": f"{SECOND}Z"},
            ":v2": {"S": f"{SECOND}.5Z"},
            ":v3": {"S": f"{SECOND}.51Z"},
        },
    }


def test_the_longest_condition_is_far_from_what_dynamodb_refuses() -> None:
    longest = condition(parse_version(f"{SECOND}.123456789+00:00"), "t")
    assert len(longest["ConditionExpression"]) < 4096  # bytes, "Quotas": expression parameters
    assert longest["ConditionExpression"].count(":v") == 10  # of 100 operands of IN
