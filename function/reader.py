"""Bytes in, one answer out: the part of HTTP/1.1 that AWS's JSON protocol needs, and no more.

It knows no socket. What frames an answer (its length) or proves it (request id, checksum) has to be
there once and clear; everything else is NoAnswerError. https://www.rfc-editor.org/rfc/rfc9112
"""

import re
import zlib
from collections.abc import Callable, Generator
from typing import TypeVar

from function.request import Answer, NoAnswerError

_HEAD_BYTES = 65_536
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?((?:\r\n[\w!#$%&'*+.^`|~-]+:[^\r\n]*)*)")
_LENGTH = re.compile(rb"\d{1,9}\Z")
# They say nothing of the message, and proxies and test servers send them twice.
_MAY_REPEAT = {b"server", b"date", b"vary", b"via", b"set-cookie"}

Wish = TypeVar("Wish")


def read(
    receive: Callable[[], Generator[Wish, None, bytes]], most_bytes: int
) -> Generator[Wish, None, Answer]:
    """Return one answer, in time linear to its length.

    receive: returns the next bytes of it. most_bytes: how long it may be, its head included.
    Raises NoAnswerError if it is none, whatever else may come.
    """
    received, looked_at = bytearray(), 0
    while (end := received.find(b"\r\n\r\n", looked_at)) < 0 and len(received) < _HEAD_BYTES:
        looked_at = max(0, len(received) - 3)
        received += yield from receive()
    match = _HEAD.fullmatch(received, 0, max(0, end))
    if match is None:
        raise NoAnswerError("it is not HTTP/1.1")
    status, headers = int(match[1]), dict[bytes, bytes]()
    for line in bytes(match[2]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if (name := name.lower()) in headers and name not in _MAY_REPEAT:
            raise NoAnswerError(f"{status}: it says {name.decode()} twice")
        headers[name] = value.strip(b" \t")
    if b"transfer-encoding" in headers:
        raise NoAnswerError(f"{status}: it says transfer-encoding, and no length")
    length = headers.get(b"content-length", b"")
    if not _LENGTH.match(length):
        raise NoAnswerError(f"{status}: its content-length is missing or no number")
    whole = end + 4 + int(length)
    if whole > most_bytes:
        raise NoAnswerError(f"{status}: it is too long, {whole} bytes")
    while len(received) < whole:
        received += yield from receive()
    if len(received) > whole:
        raise NoAnswerError(f"{status}: it is longer than it announced")
    body, checksum = bytes(received[end + 4 :]), headers.get(b"x-amz-crc32")
    if checksum not in (None, b"%d" % zlib.crc32(body)):
        raise NoAnswerError(f"{status}: its checksum is wrong")
    request_id = headers.get(b"x-amzn-requestid", b"").decode("latin-1")
    is_last = b"close" in headers.get(b"connection", b"").lower()
    return Answer(status, body, request_id, checksum is not None, is_last)
