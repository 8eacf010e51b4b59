"""Managed retries: a failed message waits by how often it failed, a rejected one is put aside.

SQS's own queue and dead-letter queue know one pause and one number of tries for whatever fails.
"""

import binascii
import hashlib
import json
import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from function.event import Rejection
from function.request import Answer, NoAnswerError, Request, Task

FIRST_SECONDS, LONGEST_SECONDS = 30, 900
"""A failed message's pause, doubled by each delivery. What waits is in flight, of which a queue has
120,000; so not longer."""
ENTRIES = 10
"""In one ChangeMessageVisibilityBatch: its API reference."""
ATTRIBUTES = 10
MESSAGE_BYTES = 1_048_576
"""What a message may have: SQS developer guide, "Message quotas"; its attributes count."""

# What a message may hold: API reference, SendMessage.
_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Attributes = dict[str, dict[str, str]]
"""Message attributes by name: {"reason": {"DataType": "String", "StringValue": "..."}}."""


class Queue:
    """The queue that the messages come from, and its dead-letter queue."""

    def __init__(self, url: str, dead_letter_url: str) -> None:
        """Keep where they are."""
        self._url = url
        self._dead_letter_url = dead_letter_url

    def pause(self, records: Sequence[Mapping[str, Any]], refused: set[str]) -> Iterable[Task]:
        """Return the tasks that let failed messages wait. refused: takes the codes of errors.

        Where one fails, the queue's own visibility timeout holds.
        """
        for start in range(0, len(records), ENTRIES):
            yield self._pause(records[start : start + ENTRIES], refused)

    def _pause(self, records: Sequence[Mapping[str, Any]], refused: set[str]) -> Task:
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": record.get("receiptHandle"),
                "VisibilityTimeout": _pause_seconds(record),
            }
            for number, record in enumerate(records)
        ]
        parameters = {"QueueUrl": self._url, "Entries": entries}
        try:
            said, trouble = _read((yield _request("ChangeMessageVisibilityBatch", parameters)))
            if trouble:
                refused.add(trouble)
                return
            changed = {entry["Id"] for entry in said.get("Successful", ())}
            failed = {entry["Id"]: entry.get("Code") for entry in said.get("Failed", ())}
            for entry in entries:
                if entry["Id"] not in changed:
                    refused.add(str(failed.get(entry["Id"], "not confirmed")))
        except NoAnswerError as error:
            refused.add(f"no answer from SQS: {error}")
        except (ValueError, LookupError, TypeError, AttributeError):
            refused.add("an answer that is not SQS's")

    def put_aside(
        self, record: Mapping[str, Any], rejection: Rejection, confirmed: dict[str, str]
    ) -> Task:
        """Send a rejected message to the dead-letter queue, as it was sent, with its reason.

        confirmed: takes by message id "" if SQS confirmed it, else why that is not certain.
        """
        body = record["body"]
        attributes = _letter_attributes(record, rejection)
        parameters = {
            "QueueUrl": self._dead_letter_url,
            "MessageBody": body,
            "MessageAttributes": attributes,
        }
        try:
            said, trouble = _read((yield _request("SendMessage", parameters)))
            if trouble:
                pass
            elif said.get("MD5OfMessageBody") != _md5(body.encode()):
                trouble = "another body than it was sent"
            elif said.get("MD5OfMessageAttributes") != md5_of_attributes(attributes):
                trouble = "other attributes than it was sent"
        except NoAnswerError as error:
            trouble = f"no answer from SQS: {error}"
        except ValueError:
            trouble = "an answer that is not SQS's"
        confirmed[record["messageId"]] = trouble


def _request(operation: str, parameters: Mapping[str, Any]) -> Request:
    body = json.dumps(parameters).encode()
    return Request("sqs", f"AmazonSQS.{operation}", body, os.urandom(16).hex())


def _read(answer: Answer | None) -> tuple[dict[str, Any], str]:
    """Return what SQS said, and why that confirms nothing, if so. Raises ValueError if nothing."""
    if answer is None or not isinstance(said := json.loads(answer.body), dict):
        raise ValueError
    trouble = "" if answer.status == 200 else str(said.get("__type", f"status {answer.status}"))
    return said, trouble.rpartition("#")[2] or ("" if answer.request_id else "no request id")


def _pause_seconds(record: Mapping[str, Any]) -> int:
    received = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    seconds = min(FIRST_SECONDS * 2 ** min(received - 1, 10), LONGEST_SECONDS)
    return round(random.uniform(seconds / 2, seconds))  # noqa: S311 (jitter)


def _letter_attributes(record: Mapping[str, Any], rejection: Rejection) -> Attributes:
    """Return the producer's attributes and, as far as they fit, ours, the most needed first."""
    given = record.get("messageAttributes") or {}
    attributes = {name: _attribute(value) for name, value in given.items()}
    ours = {
        "reason": _REFUSED.sub("?", rejection.reason),
        "sourceMessageId": record["messageId"],
        "sentTimestamp": record.get("attributes", {}).get("SentTimestamp"),
        "eventId": rejection.event_id,
    }
    for name, text in ours.items():
        if not text or _REFUSED.search(text):
            continue
        more = {**attributes, name: {"DataType": "String", "StringValue": text}}
        size = len(record["body"].encode()) + sum(
            len(each) + sum(len(part.encode()) for part in value.values())
            for each, value in more.items()
        )
        if len(more) <= ATTRIBUTES and size <= MESSAGE_BYTES:
            attributes = more
    return attributes


def _attribute(given: Mapping[str, Any]) -> dict[str, str]:
    """Return a message attribute as SendMessage takes it, from the form that Lambda gives it."""
    kind = given["dataType"]
    if kind.startswith("Binary"):
        return {"DataType": kind, "BinaryValue": given["binaryValue"]}
    return {"DataType": kind, "StringValue": given["stringValue"]}


def md5_of_attributes(attributes: Attributes) -> str:
    """Return MD5OfMessageAttributes: SQS developer guide, "Calculating the MD5 message digest"."""
    parts = []
    for name, value in sorted(attributes.items()):
        kind = value["DataType"]
        is_binary = kind.startswith("Binary")
        data = (
            binascii.a2b_base64(value["BinaryValue"])
            if is_binary
            else value["StringValue"].encode()
        )
        for text in (name.encode(), kind.encode()):
            parts += [len(text).to_bytes(4, "big"), text]
        parts += [b"\2" if is_binary else b"\1", len(data).to_bytes(4, "big"), data]
    return _md5(b"".join(parts))


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
