"""Bytes in, one answer out: the part of HTTP/1.1 that AWS's JSON protocol needs, and no more.

It knows no socket. What frames an answer (its length) or proves it (request id, checksum) has to be
there once and clear; everything else is NoAnswerError. https://www.rfc-editor.org/rfc/rfc9112
"""

import re
import zlib

from function.request import Answer, NoAnswerError

_HEAD_BYTES = 65_536
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?((?:\r\n[\w!#$%&'*+.^`|~-]+:[^\r\n]*)*)")
_LENGTH = re.compile(rb"\d{1,9}\Z")
# They say nothing of the message, and proxies and test servers send them twice.
_MAY_REPEAT = {b"server", b"date", b"vary", b"via", b"set-cookie"}


class Reader:
    """Reads one answer, in time linear to its length."""

    def __init__(self, most_bytes: int) -> None:
        """most_bytes: how long the answer may be, its head included."""
        self._most = most_bytes
        self._received = bytearray()
        self._body_at = self._end = self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self.is_last = False
        """Whether the connection ends with this answer: Connection: close (RFC 9112, 9.6)."""

    def feed(self, chunk: bytes) -> Answer | None:
        """Return the answer, or None if more of it has to come.

        Raises NoAnswerError if it is none, whatever else may come.
        """
        looked_at = len(self._received)
        self._received += chunk
        if not self._end and not self._read_head(max(0, looked_at - 3)):
            return None
        if len(self._received) > self._end:
            raise NoAnswerError(f"{self._status}: it is longer than it announced")
        if len(self._received) < self._end:
            return None
        body = bytes(self._received[self._body_at :])
        checksum = self._headers.get(b"x-amz-crc32")
        if checksum not in (None, b"%d" % zlib.crc32(body)):
            raise NoAnswerError(f"{self._status}: its checksum is wrong")
        request_id = self._headers.get(b"x-amzn-requestid", b"").decode("latin-1")
        return Answer(self._status, body, request_id, checksum is not None)

    def _read_head(self, start: int) -> bool:
        end = self._received.find(b"\r\n\r\n", start)
        if end < 0 and len(self._received) < _HEAD_BYTES:
            return False
        match = _HEAD.fullmatch(self._received, 0, max(0, end))
        if match is None:
            raise NoAnswerError("it is not HTTP/1.1")
        self._status = int(match[1])
        for line in bytes(match[2]).split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if (name := name.lower()) in self._headers and name not in _MAY_REPEAT:
                raise NoAnswerError(f"{self._status}: it says {name.decode()} twice")
            self._headers[name] = value.strip(b" \t")
        if b"transfer-encoding" in self._headers:
            raise NoAnswerError(f"{self._status}: it says transfer-encoding, and no length")
        length = self._headers.get(b"content-length", b"")
        if not _LENGTH.match(length):
            raise NoAnswerError(f"{self._status}: its content-length is missing or no number")
        self._body_at = end + 4
        self._end = self._body_at + int(length)
        if self._end > self._most:
            raise NoAnswerError(f"{self._status}: it is too long, {self._end} bytes")
        self.is_last = b"close" in self._headers.get(b"connection", b"").lower()
        return True
