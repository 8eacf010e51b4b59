"""A service of AWS: where it is, and how a request to it is written."""

import hashlib
import hmac
import re
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from function.request import Request

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


class Service:
    """DynamoDB or SQS, at the endpoint that the environment names, or else at the region's own."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        """name: dynamodb or sqs. environment: holds the credentials, too.

        AWS_ENDPOINT_URL_DYNAMODB (or _SQS) comes before AWS_ENDPOINT_URL, as in the AWS SDKs.
        Raises ValueError, naming the variable, for what is missing, wrong, or not supported.
        """
        for refused in _REFUSED:
            if environment.get(refused, "").lower() == "true":
                raise ValueError(f"{refused} is true, which is not supported here; unset it")
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        if not region:
            raise ValueError("AWS_REGION is not set; outside of Lambda, name the table's region")
        variable = f"AWS_ENDPOINT_URL_{name.upper()}"
        variable = variable if environment.get(variable) else "AWS_ENDPOINT_URL"
        suffix = next(suffix for start, suffix in _SUFFIXES.items() if region.startswith(start))
        is_fips = environment.get("AWS_USE_FIPS_ENDPOINT", "").lower() == "true"
        fips = "-fips" if is_fips and not region.startswith("us-gov-") else ""  # GovCloud's all are
        url = environment.get(variable) or f"https://{name}{fips}.{region}.{suffix}"
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(f"{variable} is {url!r}; it has to be http[s]://HOST[:PORT][/PATH]")
        scheme, host, port, path = match.groups("")
        self.tls = None
        if scheme.lower() == "https":
            bundle = environment.get("AWS_CA_BUNDLE") or None
            try:
                self.tls = ssl.create_default_context(cafile=bundle)
            except OSError as error:
                raise ValueError(f"AWS_CA_BUNDLE is {bundle!r}, no file of CAs: {error}") from None
            self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        own_port = 443 if self.tls else 80
        self.name, self.host = name, host.lower().strip("[]")
        self.port = int(port or own_port)
        self._authority = host.lower() + (f":{self.port}" if self.port != own_port else "")
        self._path = f"{path}/"
        self._scope = f"{region}/{name}/aws4_request"
        # Where there are no credentials, it is for AWS to say so.
        self._secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
        self._key_id = environment.get("AWS_ACCESS_KEY_ID", "")
        self._token = environment.get("AWS_SESSION_TOKEN", "")

    def write(self, request: Request) -> bytes:
        """Return a request as it is sent, signed now."""
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        start, canonical, signature = self._signing(int(time.time()), request.target)
        canonical, signature = canonical.copy(), signature.copy()
        canonical.update(hashlib.sha256(request.body).hexdigest().encode())
        signature.update(canonical.hexdigest().encode())
        head = (
            f"{start}{signature.hexdigest()}\r\ncontent-length:{len(request.body)}\r\n"
            f"amz-sdk-invocation-id:{request.invocation_id}\r\n"
            f"amz-sdk-request:attempt={request.attempt}\r\n\r\n"
        )
        return head.encode() + request.body

    @lru_cache(maxsize=4)  # noqa: B019 (for each target its latest second; services live as long)
    def _signing(self, seconds: int, target: str) -> tuple[str, Any, Any]:
        """Return what a second's requests share: head, canonical request and signature, begun."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
        headers = {  # by name, as they are signed
            "content-type": "application/x-amz-json-1.0",
            "host": self._authority,
            "x-amz-date": date,
            **({"x-amz-security-token": self._token} if self._token else {}),
            "x-amz-target": target,
        }
        lines, names = "".join(f"{name}:{headers[name]}\n" for name in headers), ";".join(headers)
        canonical = hashlib.sha256(f"POST\n{self._path}\n\n{lines}\n{names}\n".encode())
        scope = f"{date[:8]}/{self._scope}"
        key = f"AWS4{self._secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, f"AWS4-HMAC-SHA256\n{date}\n{scope}\n".encode(), "sha256")
        start = (
            f"POST {self._path} HTTP/1.1\n{lines}user-agent:event-state\naccept-encoding:identity\n"
            f"authorization:AWS4-HMAC-SHA256 Credential={self._key_id}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )
        return start.replace("\n", "\r\n"), canonical, signature
