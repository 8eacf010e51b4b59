"""The signature is botocore's, byte for byte."""

import datetime
from unittest.mock import patch

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

import tests.function.profiles  # noqa: F401 chooses hypothesis's profile
from function.endpoint import Endpoint
from function.signature import sign

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
HERE = Endpoint("dynamodb", "us-east-1", True, "h", 443, "h", "/")
LATEST = datetime.datetime(2099, 12, 31, 23, 59, 59, tzinfo=datetime.UTC).timestamp()


@given(
    st.binary(max_size=2000),
    st.integers(0, int(LATEST)),
    st.sampled_from(["us-east-1", "cn-north-1", "eu-isoe-west-1"]),
    words,
    words,
    st.just("") | words,
    st.sampled_from(["dynamodb.us-east-1.amazonaws.com", "127.0.0.1:4566", "[::1]:8000"]),
    st.sampled_from(["/", "/4711/", "/a/b~c/"]),
    st.sampled_from([("dynamodb", "DynamoDB_20120810.PutItem"), ("sqs", "AmazonSQS.SendMessage")]),
)
@example(b"{}", 0, "us-east-1", "A", "B", "C", "localhost", "/", ("sqs", "x"))
def test_it_is_botocore_s(
    body: bytes,
    moment: int,
    region: str,
    key_id: str,
    secret: str,
    token: str,
    host: str,
    path: str,
    asked: tuple[str, str],
) -> None:
    service, target = asked
    environment = {
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }
    endpoint = Endpoint(service, region, True, "", 0, host, path)
    lines = sign(body, target, moment + 0.9, endpoint, environment).splitlines()
    request = AWSRequest(
        "POST",
        f"https://{host}{path}",
        data=body,
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": target,
        },
    )
    now = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials(key_id, secret, token or None), service, region).add_auth(request)
    signed = {name.lower(): str(value) for name, value in request.headers.items()}
    assert dict(line.split(":", 1) for line in lines) == signed | {"host": host}


def test_each_day_and_each_secret_has_a_key_of_its_own() -> None:
    def signature(moment: float, secret: str) -> str:
        environment = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": secret}
        return sign(b"{}", "t", moment, HERE, environment).rpartition("=")[2]

    moments = [(0.0, "a"), (86_400.0, "a"), (0.0, "b"), (0.0, "a")]
    first, *others, again = [signature(*each) for each in moments]
    assert first == again
    assert len({first, *others}) == 3


def test_without_credentials_it_is_for_aws_to_say_so() -> None:
    empty = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}
    signed = sign(b"{}", "t", 0, HERE, {})
    assert signed == sign(b"{}", "t", 0, HERE, empty)
    assert "Credential=/19700101/us-east-1/dynamodb/aws4_request, " in signed
