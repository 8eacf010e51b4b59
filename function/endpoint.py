"""Where a service is: what the environment names, or the region's own."""

import re
from collections.abc import Mapping
from typing import NamedTuple

# By the beginning of a region's name, AWS's partitions as botocore's partitions.json has them.
_SUFFIXES = {
    "cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu", "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov", "us-isof-": "csp.hci.ic.gov", "eu-isoe-": "cloud.adc-e.uk",
    "": "amazonaws.com",
}  # fmt: skip
# The path is signed as it stands: nothing in it to escape, no empty and no dotted name.
_URL = re.compile(
    r"(https?)://(\[[\da-f:]+\]|[\w.-]+)(?::(\d+))?((?:/[\w~-][\w.~-]*)*)/?", re.A | re.I
)
# What botocore would heed, and this does not: refused, so that no write goes elsewhere unseen.
_REFUSED = ("AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


class Endpoint(NamedTuple):
    """A service's address, and what a signature for it needs."""

    service: str
    region: str
    is_tls: bool
    host: str
    port: int
    authority: str  # the header Host: without the port if that is the scheme's own
    path: str


def find_endpoint(service: str, environment: Mapping[str, str]) -> Endpoint:
    """Return the endpoint of dynamodb or sqs.

    AWS_ENDPOINT_URL_DYNAMODB (or _SQS) and AWS_ENDPOINT_URL come before the region's own, as in
    the AWS SDKs. Raises ValueError, naming the variable, without a region, for a URL that is none,
    and for a setting that the SDKs heed and this does not.
    """
    for name in _REFUSED:
        if environment.get(name, "").lower() == "true":
            raise ValueError(f"{name} is true, which this function does not support; unset it")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise ValueError("AWS_REGION is not set; Lambda sets it, elsewhere name the table's region")
    variable = f"AWS_ENDPOINT_URL_{service.upper()}"
    variable = variable if environment.get(variable) else "AWS_ENDPOINT_URL"
    url = environment.get(variable) or _of_region(service, region, environment)
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{variable} is {url!r}; it has to be http[s]://HOST[:PORT][/PATH]")
    scheme, host, port, path = match.groups("")
    host, own_port = host.lower(), 443 if scheme.lower() == "https" else 80
    number = int(port or own_port)
    authority = host if number == own_port else f"{host}:{number}"
    is_tls = own_port == 443
    return Endpoint(service, region, is_tls, host.strip("[]"), number, authority, f"{path}/")


def _of_region(service: str, region: str, environment: Mapping[str, str]) -> str:
    suffix = next(suffix for start, suffix in _SUFFIXES.items() if region.startswith(start))
    is_fips = environment.get("AWS_USE_FIPS_ENDPOINT", "").lower() == "true"
    # GovCloud has no other than FIPS's.
    name = f"{service}-fips" if is_fips and not region.startswith("us-gov-") else service
    return f"https://{name}.{region}.{suffix}"
