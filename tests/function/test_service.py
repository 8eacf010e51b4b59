"""Addresses and signatures are botocore's, or what the environment names."""

import datetime
import os
import re
from unittest.mock import patch

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.endpoint_provider import EndpointProvider
from hypothesis import given
from hypothesis import strategies as st

from function.request import Request
from function.service import Service

LOADER = botocore.session.get_session().get_component("data_loader")
PARTITIONS = LOADER.load_data("partitions")
PROVIDERS = {
    service: EndpointProvider(LOADER.load_service_model(service, "endpoint-rule-set-1"), PARTITIONS)
    for service in ("dynamodb", "sqs")
}
REGIONS = [
    region
    for partition in PARTITIONS["partitions"]
    for region in partition["regions"]
    if not region.endswith("-global")  # these stand for a partition: no function runs there
]
HERE = {"AWS_REGION": "us-east-1"}


def written(service: Service, request: Request) -> tuple[str, dict[str, str]]:
    """Return the path and the headers of a request as it is sent."""
    head, _, body = service.write(request).partition(b"\r\n\r\n")
    assert body == request.body
    line, *headers = head.decode().split("\r\n")
    method, path, protocol = line.split(" ")
    assert (method, protocol) == ("POST", "HTTP/1.1")
    return path, dict(header.split(":", 1) for header in headers)


def address(service: Service) -> str:
    """Return the scheme, host and port that it connects to, and the host and path that it names."""
    path, headers = written(service, Request(service.name, "x", b"{}", "id"))
    scheme = "https" if service.tls else "http"
    return f"{scheme} {service.host} {service.port} {headers['host']} {path}"


@pytest.mark.parametrize("fips", ["", "false", "true", "TRUE"])
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_regions_endpoint_is_the_one_that_botocore_resolves(name: str, fips: str) -> None:
    with patch("ssl.create_default_context"):  # it takes a while
        for region in REGIONS:
            resolved = PROVIDERS[name].resolve_endpoint(
                Region=region, UseFIPS=fips.lower() == "true", UseDualStack=False
            )
            host = resolved.url.removeprefix("https://")
            environment = {"AWS_REGION": region, "AWS_USE_FIPS_ENDPOINT": fips}
            assert address(Service(name, environment)) == f"https {host} 443 {host} /"


URL = "AWS_ENDPOINT_URL"
OWN = "https sqs.us-east-1.amazonaws.com 443 sqs.us-east-1.amazonaws.com /"


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({URL: "http://a", f"{URL}_SQS": "http://b"}, "http b 80 b /"),
        ({f"{URL}_SQS": "http://b"}, "http b 80 b /"),
        ({f"{URL}_DYNAMODB": "http://b"}, OWN),
        ({URL: ""}, OWN),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, OWN),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, OWN.replace("us-east", "eu-west")),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "false"}, OWN),
        # As botocore signs a URL.
        ({URL: "https://a.com"}, "https a.com 443 a.com /"),
        ({URL: "http://localhost/"}, "http localhost 80 localhost /"),
        ({URL: "http://[::1]:8000/a/b.c"}, "http ::1 8000 [::1]:8000 /a/b.c/"),
        ({URL: "https://my_host:4566/~a/"}, "https my_host 4566 my_host:4566 /~a/"),
        ({URL: "HTTPS://Dyn.Example.COM:443"}, "https dyn.example.com 443 dyn.example.com /"),
        ({URL: "http://h:80/A"}, "http h 80 h /A/"),
        ({URL: "http://h:443"}, "http h 443 h:443 /"),
    ],
)
def test_the_environment_may_name_another(environment: dict[str, str], found: str) -> None:
    assert address(Service("sqs", HERE | environment)) == found


BAD_URLS = [
    *("localhost:8000", "ftp://a", "http://", "http://a/b?c", "http://a/b/../c", "http://a//b"),
    *("http://a b", "http://a:x", "https://a@b", "http://a/ä"),
]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        *(
            ({variable: url}, f"{variable} is {url!r}; it has to be http[s]://HOST[:PORT][/PATH]")
            for variable in (URL, f"{URL}_DYNAMODB")
            for url in BAD_URLS
        ),
        *(
            ({name: "True"}, f"{name} is true, which is not supported here; unset it")
            for name in ("AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        ),
        *(
            ({"AWS_CA_BUNDLE": path}, f"AWS_CA_BUNDLE is {path!r}, no file of CAs: ")
            for path in ("nosuch.pem", os.devnull)
        ),
        ({"AWS_REGION": ""}, "AWS_REGION is not set; outside of Lambda, name the table's region"),
    ],
)
def test_what_it_cannot_heed_is_refused_by_the_variables_name(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        Service("dynamodb", HERE | environment)


URLS = ["http://a.com/", "http://127.0.0.1:4566/4711/", "http://[::1]:81/a/b~c/"]
CREDENTIALS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
# None, too: where there are no credentials, it is for AWS to say so.
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
environments = st.fixed_dictionaries(
    {"AWS_REGION": st.sampled_from(REGIONS), URL: st.sampled_from(URLS)},
    optional=dict.fromkeys(CREDENTIALS, words),
)
TARGETS = [("dynamodb", "DynamoDB_20120810.PutItem"), ("sqs", "AmazonSQS.SendMessage")]


@given(environments, st.sampled_from(TARGETS), st.binary(max_size=2000), st.integers(0, 4 * 10**9))
def test_the_signature_is_botocore_s(
    environment: dict[str, str], asked: tuple[str, str], body: bytes, moment: int
) -> None:
    (name, target), url = asked, environment[URL]
    sent = Request(name, target, body, "0af7", attempt=2)
    with patch("function.service.time.time", return_value=moment + 0.9):
        path, headers = written(Service(name, environment), sent)
    signed = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
    request = AWSRequest("POST", url, data=body, headers=signed)
    key, secret, token = (environment.get(each, "") for each in CREDENTIALS)
    now = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", return_value=now):
        credentials = Credentials(key, secret, token or None)
        SigV4Auth(credentials, name, environment["AWS_REGION"]).add_auth(request)
    assert f"http://{headers['host']}{path}" == url
    assert headers == {
        **{each.lower(): str(value) for each, value in request.headers.items()},
        "host": headers["host"],
        "content-length": str(len(body)),
        "amz-sdk-invocation-id": "0af7",
        "amz-sdk-request": "attempt=2",
        "user-agent": "event-state",
        "accept-encoding": "identity",
    }
