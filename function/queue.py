"""Managed retries: a failed message waits by how often it failed, a rejected one is put aside."""

import binascii
import hashlib
import random
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from function.message import Message, Outcome
from function.request import Request, Task, make_request

FIRST_SECONDS, LONGEST_SECONDS = 30, 900
"""A failed message's pause, doubled by each delivery. What waits is in flight, of which a queue has
120,000; so not longer."""
_ENTRIES = 10  # in one ChangeMessageVisibilityBatch: its API reference
# What a message may have, its attributes included: SQS developer guide, "Message quotas". And what
# it may not hold: API reference, SendMessage.
_ATTRIBUTES, _MESSAGE_BYTES = 10, 1_048_576
_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Queue:
    """The queue that the messages come from, and its dead-letter queue."""

    def __init__(self, url: str, dead_letter_url: str) -> None:
        self._url, self._dead_letter_url = url, dead_letter_url

    def retry(self, messages: Sequence[Message], troubles: set[str]) -> Iterator[Task]:
        """Return the tasks that do so. troubles: takes, for people, what SQS did not confirm."""
        for message in messages:
            if message.outcome is Outcome.REJECTED:
                yield self.put_aside(message, troubles)
        failed = [message for message in messages if message.outcome is Outcome.FAILED]
        for start in range(0, len(failed), _ENTRIES):
            yield self._pause(failed[start : start + _ENTRIES], troubles)

    def _pause(self, messages: Sequence[Message], troubles: set[str]) -> Task:
        entries = [
            {
                "Id": str(place),
                "ReceiptHandle": message.record.get("receiptHandle"),
                "VisibilityTimeout": pause_seconds(message),
            }
            for place, message in enumerate(messages)
        ]
        asked = {"QueueUrl": self._url, "Entries": entries}
        said, trouble = yield from _ask("ChangeMessageVisibilityBatch", asked)
        causes = {entry["Id"]: trouble or "not confirmed" for entry in entries}
        causes |= {each["Id"]: each["Code"] for each in said.get("Failed", ())}
        for each in said.get("Successful", ()):
            causes.pop(each["Id"], None)
        for cause in causes.values():
            troubles.add(f"failed messages keep the queue's visibility timeout: {cause}")

    def put_aside(self, message: Message, troubles: set[str]) -> Task:
        """Send a message to the dead-letter queue, as it was sent, with its reason."""
        body, attributes = message.record["body"], _letter_attributes(message)
        asked = {
            "QueueUrl": self._dead_letter_url,
            "MessageBody": body,
            "MessageAttributes": attributes,
        }
        said, trouble = yield from _ask("SendMessage", asked)
        digests = {
            "MD5OfMessageBody": _md5(body.encode()),
            "MD5OfMessageAttributes": _md5_of_attributes(attributes),
        }
        if not trouble and not digests.items() <= said.items():
            trouble = "another message than it was sent"
        message.is_put_aside = not trouble
        if trouble:
            troubles.add(f"rejected messages come again, SQS confirmed no dead letter: {trouble}")


def _ask(
    operation: str, parameters: Mapping[str, Any]
) -> Generator[Request | float, Any, tuple[dict[str, Any], str]]:
    """Ask SQS; return what it said, and why that confirms nothing, if so."""
    answer = yield make_request("sqs", operation, parameters)
    said = answer.json()
    if not answer.status:
        return {}, f"no answer from SQS: {answer.body.decode()}"
    if answer.status != 200:
        return {}, str(said.get("__type", f"status {answer.status}")).rpartition("#")[2]
    return (said, "") if answer.request_id else ({}, "no request id")


def pause_seconds(message: Message) -> int:
    """Return for how long a failed message waits: half to all of what its receive count gives."""
    received = int(message.attributes.get("ApproximateReceiveCount", 1))
    seconds = min(FIRST_SECONDS * 2 ** min(received - 1, 10), LONGEST_SECONDS)
    return round(random.uniform(seconds / 2, seconds))  # noqa: S311 (jitter)


def _letter_attributes(message: Message) -> dict[str, dict[str, str]]:
    """Return the producer's attributes and, as far as they fit, ours, the most needed first.

    By name: {"reason": {"DataType": "String", "StringValue": "..."}}.
    """
    record = message.record
    # Lambda spells dataType, and has lists that are always empty.
    attributes: dict[str, dict[str, str]] = {
        name: {part[0].upper() + part[1:]: text for part, text in given.items() if text}
        for name, given in (record.get("messageAttributes") or {}).items()
    }
    ours = {
        "reason": _REFUSED.sub("?", message.reason),
        "sourceMessageId": record["messageId"],
        "sentTimestamp": message.attributes.get("SentTimestamp"),
        "eventId": message.event_id,
    }
    for name, text in ours.items():
        if not text or _REFUSED.search(text):
            continue
        more = {**attributes, name: {"DataType": "String", "StringValue": text}}
        texts = [record["body"], *more, *(part for each in more.values() for part in each.values())]
        if len(more) <= _ATTRIBUTES and sum(len(each.encode()) for each in texts) <= _MESSAGE_BYTES:
            attributes = more
    return attributes


def _md5_of_attributes(attributes: Mapping[str, Mapping[str, str]]) -> str:
    """Return MD5OfMessageAttributes: SQS developer guide, "Calculating the MD5 message digest"."""
    digested = b""
    for name, value in sorted(attributes.items()):
        kind, text = value["DataType"], value.get("StringValue", "")
        is_binary = kind.startswith("Binary")
        content = binascii.a2b_base64(value["BinaryValue"]) if is_binary else text.encode()
        for part in (name.encode(), kind.encode()):
            digested += len(part).to_bytes(4, "big") + part
        digested += (b"\2" if is_binary else b"\1") + len(content).to_bytes(4, "big") + content
    return _md5(digested)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
