"""Where a service is: as botocore resolves it, or as the environment names it."""

import re

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider

from function.endpoint import Endpoint, find_endpoint

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


@pytest.mark.parametrize("fips", ["", "false", "true", "TRUE"])
@pytest.mark.parametrize("service", PROVIDERS)
def test_a_regions_endpoint_is_the_one_that_botocore_resolves(service: str, fips: str) -> None:
    for region in REGIONS:
        resolved = PROVIDERS[service].resolve_endpoint(
            Region=region, UseFIPS=fips.lower() == "true", UseDualStack=False
        )
        environment = {"AWS_REGION": region} | ({"AWS_USE_FIPS_ENDPOINT": fips} if fips else {})
        found = find_endpoint(service, environment)
        assert (f"https://{found.authority}", found.port, found.path) == (resolved.url, 443, "/")


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({"AWS_ENDPOINT_URL": "http://a"}, "a"),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_SQS": "http://b"}, "b"),
        ({"AWS_ENDPOINT_URL_SQS": "http://b"}, "b"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "http://b"}, "sqs.us-east-1.amazonaws.com"),
        ({"AWS_ENDPOINT_URL": ""}, "sqs.us-east-1.amazonaws.com"),
    ],
)
def test_the_environment_may_name_another(environment: dict[str, str], host: str) -> None:
    assert find_endpoint("sqs", HERE | environment).host == host


@pytest.mark.parametrize(
    ("url", "is_tls", "host", "port", "authority", "path"),
    [
        ("https://a.com", True, "a.com", 443, "a.com", "/"),
        ("http://localhost/", False, "localhost", 80, "localhost", "/"),
        ("http://[::1]:8000/a/b.c", False, "::1", 8000, "[::1]:8000", "/a/b.c/"),
        ("https://my_host:4566/~a/", True, "my_host", 4566, "my_host:4566", "/~a/"),
        ("HTTPS://Dyn.Example.COM:443", True, "dyn.example.com", 443, "dyn.example.com", "/"),
        ("http://h:80/A", False, "h", 80, "h", "/A/"),
        ("http://h:443", False, "h", 443, "h:443", "/"),
    ],
    ids=["TLS", "localhost", "IPv6", "port", "capitals", "default port", "the other's port"],
)
def test_a_url_is_taken_apart_as_botocore_signs_it(
    url: str, is_tls: bool, host: str, port: int, authority: str, path: str
) -> None:
    found = find_endpoint("dynamodb", HERE | {"AWS_ENDPOINT_URL": url})
    assert found == Endpoint("dynamodb", "us-east-1", is_tls, host, port, authority, path)


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://a", "http://", "http://a/b?c", "http://a/b/../c", "http://a//b",
     "http://a b", "http://a:x", "https://a@b", "http://a/ä"],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
def test_a_url_of_another_form_is_refused_by_the_variables_name(variable: str, url: str) -> None:
    said = f"{variable} is {url!r}; it has to be http[s]://HOST[:PORT][/PATH]"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        find_endpoint("dynamodb", HERE | {variable: url})


@pytest.mark.parametrize(
    "name", ["AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]
)
def test_a_setting_that_is_not_supported_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is true, which this function does not support"):
        find_endpoint("dynamodb", HERE | {name: "True"})
    assert find_endpoint("dynamodb", HERE | {name: "false"}) == find_endpoint("dynamodb", HERE)


def test_without_a_region_there_is_no_endpoint() -> None:
    with pytest.raises(ValueError, match=r"^AWS_REGION is not set; "):
        find_endpoint("dynamodb", {"AWS_ENDPOINT_URL": "http://a"})
    assert find_endpoint("dynamodb", {"AWS_DEFAULT_REGION": "eu-west-1"}).region == "eu-west-1"
    both = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}
    assert find_endpoint("dynamodb", both).region == "eu-west-2"
