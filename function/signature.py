"""AWS Signature Version 4 of a request in AWS's JSON protocol 1.0.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache

from function.endpoint import Endpoint


def sign(
    body: bytes, target: str, moment: float, endpoint: Endpoint, environment: Mapping[str, str]
) -> str:
    """Return headers of a request and the signature that covers them, as lines of it.

    target: the operation, as x-amz-target says it. moment: now, in seconds since 1970.
    environment: holds the credentials of Lambda's role; it is for AWS to say that there are none.
    """
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
    day = date[:8]
    headers = {  # by name, as they are signed
        "content-type": "application/x-amz-json-1.0",
        "host": endpoint.authority,
        "x-amz-date": date,
        "x-amz-security-token": environment.get("AWS_SESSION_TOKEN"),
        "x-amz-target": target,
    }
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items() if value)
    names = ";".join(name for name, value in headers.items() if value)
    canonical = f"POST\n{endpoint.path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{endpoint.region}/{endpoint.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = _signing_key(environment.get("AWS_SECRET_ACCESS_KEY", ""), scope)
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}".encode(), "sha256")
    return (
        f"{lines}authorization:AWS4-HMAC-SHA256 "
        f"Credential={environment.get('AWS_ACCESS_KEY_ID', '')}/{scope}, "
        f"SignedHeaders={names}, Signature={signature.hex()}\n"
    )


@lru_cache(maxsize=2)  # one a service
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
