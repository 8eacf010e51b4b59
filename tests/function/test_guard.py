"""Where an event's version is found, how versions rank, and which condition guards each kind."""

from itertools import pairwise

import pytest

from function.guard import Guard
from function.number import Number
from function.outcome import RejectedError
from function.version import Version, parse_version

SECOND = "2025-03-30T01:00:00"


def test_the_version_is_the_member_that_the_guard_compares() -> None:
    members = {"a": Number("1"), "b": Number("2")}
    assert Guard("b").version(members) == Number("2")
    assert Guard("c").version(members) is None


def test_a_member_that_is_no_version_is_refused_by_name() -> None:
    with pytest.raises(RejectedError, match=r"^timestamp is null; send a JSON number or"):
        Guard("timestamp").version({"timestamp": None})


def test_off_is_a_guard_without_versions_and_conditions() -> None:
    assert Guard().version({"": None, "timestamp": None}) is None
    assert Guard().condition(None) == {}


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
    assert all(Guard.rank(older) < Guard.rank(newer) for older, newer in pairwise(rising))


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
    assert Guard.rank(one) == Guard.rank(other)


def test_an_event_without_version_is_written_only_where_there_is_none() -> None:
    assert Guard("timestamp").condition(None) == {
        "ConditionExpression": "attribute_not_exists(#version)",
        "ExpressionAttributeNames": {"#version": "timestamp"},
    }


def test_a_number_is_compared_with_numbers_and_yields_to_strings() -> None:
    assert Guard("revision").condition(Number("7")) == {
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
    assert Guard("timestamp").condition(parse_version(f"{SECOND}Z")) == {
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
    assert Guard("timestamp").condition(parse_version(f"{SECOND}.5190+00:00")) == {
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
    longest = Guard("t").condition(parse_version(f"{SECOND}.123456789+00:00"))
    assert len(longest["ConditionExpression"]) < 4096  # bytes, "Quotas": expression parameters
    assert longest["ConditionExpression"].count(":v") == 10  # of 100 operands of IN
