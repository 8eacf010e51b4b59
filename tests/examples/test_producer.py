"""The producer: what it sends, what it refuses, and what it remembers."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import Deployment
from hypothesis import given
from hypothesis import strategies as st

from examples.producer import queue as producer_queue
from examples.producer.__main__ import _by_clock, _by_line
from examples.producer.batch import START, Batch, Message, Problem, batches
from examples.producer.checkpoint import Checkpoint, Progress
from examples.producer.errors import ProducerError
from examples.producer.flow import IN_FLIGHT, send_all
from examples.producer.message import MESSAGE_BYTES, UnsendableError, body, timestamp
from examples.producer.queue import ATTEMPTS, Queue
from local.emulator import CREDENTIALS
from local.stacks import PROJECT

NANOSECONDS = 1_743_296_400_000_000_000  # 2025-03-30T01:00:00Z
SECONDS = 120.0


def _body(line: str, attribute: str | None = None) -> str:
    return body(line.encode(), attribute, lambda: NANOSECONDS + 7)


def _cut(text: str, start: Any = START) -> list[Batch]:
    stream = io.BytesIO(text.encode())
    return list(batches(stream, start, lambda _, line: body(line, None, lambda: 0)))


def _event(event_id: str, size: int = 0) -> str:
    """Return an event of `size` bytes, or as short as it can be."""
    event = json.dumps({"event_id": event_id, "pad": ""})
    return event.replace('""', f'"{"x" * (size - len(event))}"')


# What a line becomes.


def test_a_body_is_the_line_with_its_numbers_as_they_are() -> None:
    line = (
        '  {"event_id": "a", "n": 1.10, "big": 12345678901234567890123456789e+5, "ü": "東京"}\r\n'
    )
    assert _body(line) == line.strip()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("event_id=1", "not JSON: Expecting value at column 1"),
        ('["a"]', "not a JSON object"),
        ("{}", "event_id is missing"),
        ('{"event_id":1}', "event_id is not a string"),
        ('{"event_id":null}', "event_id is not a string"),
        ('{"event_id":""}', "event_id has 0 bytes, it needs 1 to 2048"),
        ('{"event_id":"' + "é" * 1024 + 'x"}', "event_id has 2049 bytes, it needs 1 to 2048"),
        ('{"event_id":"\\ud800"}', "event_id holds half of a surrogate pair"),
        ('{"event_id":"a","n":NaN}', "NaN is not a JSON number"),
        ('{"event_id":"a","s":"\ufffe"}', "has the character U+FFFE, which SQS refuses"),
        ("[" * 100_000, "nests too deep"),
        (_event("a", MESSAGE_BYTES + 1), "has 1048577 bytes, SQS takes 1048576"),
    ],
)
def test_a_line_that_makes_no_event_is_refused_with_its_reason(line: str, reason: str) -> None:
    with pytest.raises(UnsendableError) as refused:
        _body(line)
    assert str(refused.value) == reason


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnsendableError, match=r"^not UTF-8$"):
        body(b'{"event_id":"\xff"}', None, lambda: 0)


def test_an_event_without_a_version_gets_one_and_keeps_all_else() -> None:
    assert _body('{ "event_id":"a","n":1.10}', "timestamp") == (
        '{"timestamp":"2025-03-30T01:00:00.000000007Z","event_id":"a","n":1.10}'
    )


def test_an_event_with_a_version_keeps_it() -> None:
    line = '{"event_id":"a","timestamp":3}'
    assert _body(line, "timestamp") == line


def test_a_line_has_the_same_version_each_time_and_a_later_line_a_later_one() -> None:
    first_run, second_run = _by_line(NANOSECONDS), _by_line(NANOSECONDS)
    versions = [timestamp(first_run(line)) for line in range(1, 1001)]
    assert versions == sorted(set(versions))
    assert [timestamp(second_run(line)) for line in range(1, 1001)] == versions


def test_versions_of_a_stream_increase_even_when_the_clock_steps_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([NANOSECONDS, NANOSECONDS, NANOSECONDS - 10**9, NANOSECONDS + 10])
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    version = _by_clock()
    assert [version(line) - NANOSECONDS for line in (1, 2, 3, 4)] == [0, 1, 2, 10]


# How lines become requests.


def test_a_request_has_at_most_ten_messages() -> None:
    cut = _cut("".join(_event(f"e{n}") + "\n" for n in range(25)))
    assert [[message.line for message in batch.messages] for batch in cut] == [
        [*range(1, 11)],
        [*range(11, 21)],
        [*range(21, 26)],
    ]


def test_a_request_has_at_most_one_mebibyte() -> None:
    sizes = [MESSAGE_BYTES, 40, MESSAGE_BYTES - 40, 40]
    cut = _cut("\n".join(_event("a", size) for size in sizes))
    assert [[len(message.body) for message in batch.messages] for batch in cut] == [
        [MESSAGE_BYTES],
        [40, MESSAGE_BYTES - 40],
        [40],
    ]


def test_a_line_that_makes_no_message_is_reported_in_its_place() -> None:
    (batch,) = _cut(_event("a") + "\n\nnonsense\n" + _event("b"))
    assert [message.line for message in batch.messages] == [1, 4]
    assert batch.problems == [Problem(3, "not JSON: Expecting value at column 1")]
    assert (batch.end.lines, batch.end.size) == (4, 2 * len(_event("a")) + 11)


def test_a_thousand_bad_lines_do_not_gather() -> None:
    assert [len(batch.problems) for batch in _cut("nonsense\n" * 1000)] == [10] * 100


def test_the_rest_is_cut_from_where_a_batch_ended() -> None:
    text = "".join(_event(f"e{n}") + "\n" for n in range(25))
    first, second, third = _cut(text)
    assert _cut(text, first.end) == [second, third]
    assert _cut(text, third.end) == []


@pytest.mark.parametrize("changed", ["x", "{" + "x" * 1000, ""])
def test_an_input_that_was_changed_is_not_resumed(changed: str) -> None:
    first, *_ = _cut("".join(_event(f"e{n}") + "\n" for n in range(25)))
    with pytest.raises(ValueError, match="does not begin"):
        batches(io.BytesIO(changed.encode()), first.end, lambda _, line: line.decode())


# How requests are answered.


class _Sqs:
    """Answers SendMessageBatch: `fail` says how each message fares on its nth attempt."""

    def __init__(self, fail: Callable[[str, int], dict[str, Any] | None]) -> None:
        self.fail = fail
        self.requests: list[list[str]] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.requests.append([entry["MessageBody"] for entry in Entries])
        failed = []
        for entry in Entries:
            attempt = sum(entry["MessageBody"] in request for request in self.requests)
            if failure := self.fail(entry["MessageBody"], attempt):
                failed.append({"Id": entry["Id"], **failure})
        return {"Failed": failed} if failed else {}


BUSY = {"SenderFault": False, "Code": "InternalError", "Message": "busy"}
THROTTLED = {"SenderFault": True, "Code": "KmsThrottled", "Message": "slow down"}
AT_FAULT = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "bad"}
MESSAGES = [Message(line, f"body {line}") for line in (1, 2, 3)]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_queue, "_pause", lambda attempt: 0.0)


def _queue(sqs: _Sqs) -> Queue:
    return Queue(sqs, "https://sqs.us-east-1.amazonaws.com/123456789012/q", threading.Event())


@pytest.mark.parametrize("failure", [BUSY, THROTTLED])
def test_only_the_messages_that_failed_are_sent_again(failure: dict[str, Any]) -> None:
    sqs = _Sqs(lambda text, attempt: failure if text == "body 2" and attempt < 3 else None)
    assert _queue(sqs).send(MESSAGES) == []
    assert sqs.requests == [["body 1", "body 2", "body 3"], ["body 2"], ["body 2"]]


def test_a_message_at_fault_is_reported_and_not_sent_again() -> None:
    sqs = _Sqs(lambda text, attempt: AT_FAULT if text == "body 2" else None)
    assert _queue(sqs).send(MESSAGES) == [
        Problem(2, "SQS refused it: bad (InvalidMessageContents)")
    ]
    assert sqs.requests == [["body 1", "body 2", "body 3"]]


def test_a_message_that_keeps_failing_is_an_error_that_names_its_line() -> None:
    sqs = _Sqs(lambda text, attempt: BUSY if text == "body 3" else None)
    with pytest.raises(ProducerError, match=r"^SQS did not take line 3: busy \(InternalError\)$"):
        _queue(sqs).send(MESSAGES)
    assert len(sqs.requests) == ATTEMPTS


# What is noted as sent.


def _noted(fails: set[int], count: int) -> tuple[list[int], set[int]]:
    """Send `count` lines of which some fail; return those noted, in order, and those sent."""
    sent: set[int] = set()
    noted: list[int] = []

    def send(batch: Batch) -> Sequence[Problem]:
        lines = {message.line for message in batch.messages}
        if lines & fails:
            raise ProducerError("no")
        sent.update(lines)
        return []

    def note(batch: Batch, refused: Sequence[Problem]) -> None:
        noted.extend(message.line for message in batch.messages)

    text = "".join(_event(f"e{n}") + "\n" for n in range(count))
    try:
        send_all(_cut(text), send, note, threading.Event())
    except ProducerError:
        assert fails
    return noted, sent


@given(st.sets(st.integers(1, 600), max_size=4))
def test_no_line_is_noted_before_it_and_all_before_it_are_sent(fails: set[int]) -> None:
    noted, sent = _noted(fails, 600)
    first_failed = min(fails, default=601)
    until = (first_failed - 1) // 10 * 10
    assert noted == list(range(1, until + 1))
    assert set(noted) <= sent


def test_ctrl_c_notes_what_was_under_way_and_begins_no_more() -> None:
    begun: list[int] = []
    noted: list[int] = []
    interrupted = threading.Event()

    def send(batch: Batch) -> Sequence[Problem]:
        begun.append(batch.end.lines)
        interrupted.wait(SECONDS)
        return []

    def cut() -> Any:
        yield from _cut("".join(_event(f"e{n}") + "\n" for n in range(10 * IN_FLIGHT)))
        deadline = time.monotonic() + SECONDS
        while len(begun) < IN_FLIGHT and time.monotonic() < deadline:
            time.sleep(0.001)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_all(cut(), send, lambda batch, _: noted.append(batch.end.lines), interrupted)
    assert sorted(begun) == noted == [10 * n for n in range(1, IN_FLIGHT + 1)]


# The command.


def _environment() -> dict[str, str]:
    named = {name.upper(): value for name, value in CREDENTIALS.items()}
    return {**os.environ, **named, "AWS_DEFAULT_REGION": "us-east-1"}


def _command(deployment: Deployment, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "examples.producer"),
        *("--endpoint-url", deployment.aws.endpoint_url),
        *("--queue-url", deployment.outputs["queueUrl"]),
        *arguments,
    ]


def _run(
    command: list[str], text: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=environment or _environment(),
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _stored(deployment: Deployment, prefix: str, count: int) -> dict[str, Any]:
    """Return the items whose event_id begins with a prefix, once there are so many of them."""
    deadline = time.monotonic() + SECONDS
    items: dict[str, Any] = {}
    while len(items) < count and time.monotonic() < deadline:
        found = deployment.flow.items()
        items = {i["event_id"]: i for i in found if i["event_id"].startswith(prefix)}
    return items


def _done(progress: Path) -> int:
    if not progress.exists():
        return 0
    lines: int = json.loads(progress.read_text())["done"]["lines"]
    return lines


def test_interrupted_and_run_again_no_line_is_lost(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    # No versions: those of the producer make the last line of each id the newest.
    events = [{"event_id": f"resumed-{n % 400}", "n": n} for n in range(4000)]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    progress = tmp_path / "events.jsonl.progress"
    command = _command(deployment, "--version-attribute", "timestamp", str(file))

    with subprocess.Popen(
        command, cwd=PROJECT, env=_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + SECONDS
            while _done(progress) == 0 and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 130
    done = _done(progress)
    assert 0 < done < 4000
    assert said.splitlines() == [
        "Interrupted.",
        f"Everything up to line {done} is sent: the same command goes on from there.",
    ]

    again = _run(command)
    assert (again.returncode, again.stderr) == (
        0,
        f"Going on after line {done}: everything up to it is sent.\n",
    )
    assert re.fullmatch(
        rf"Sent {4000 - done} messages in [\d.]+ s, \d+ a second; failed: 0, skipped lines: 0.\n",
        again.stdout,
    )
    assert list(tmp_path.iterdir()) == [file]
    deployment.drain()
    items = _stored(deployment, "resumed-", 400)
    assert {name: item["n"] for name, item in items.items()} == {
        f"resumed-{n}": Decimal(3600 + n) for n in range(400)
    }


def test_a_resumed_run_counts_its_versions_on_even_when_the_clock_stepped_back(
    deployment: Deployment, tmp_path: Path
) -> None:
    lines = [f'{{"event_id":"clock-{n}"}}\n' for n in (1, 2)]
    file = tmp_path / "events.jsonl"
    file.write_text("".join(lines))
    done = _cut(lines[0])[0].end
    in_2100 = 4_102_444_800 * 10**9
    progress = Progress(queue_url=deployment.outputs["queueUrl"], started=in_2100, done=done)
    Checkpoint(file).save(progress)
    assert _run(_command(deployment, "--version-attribute", "at", str(file))).returncode == 0
    assert _stored(deployment, "clock-", 1) == {
        "clock-2": {"event_id": "clock-2", "at": "2100-01-01T00:00:00.000000002Z"}
    }


def test_standard_input_is_sent_and_bad_lines_are_reported(deployment: Deployment) -> None:
    text = '{"event_id":"piped-1","n":1.50}\n{"event_id":2}\n\n{"event_id":"piped-2"}'
    result = _run(_command(deployment, "-"), text)
    assert (result.returncode, result.stderr) == (1, "line 2: event_id is not a string\n")
    assert re.fullmatch(
        r"Sent 2 messages in [\d.]+ s, \d+ a second; failed: 0, skipped lines: 1.\n", result.stdout
    )
    assert _stored(deployment, "piped-", 2) == {
        "piped-1": {"event_id": "piped-1", "n": Decimal("1.50")},
        "piped-2": {"event_id": "piped-2"},
    }


def test_a_progress_file_for_another_queue_is_not_followed(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(_event("a"))
    other = tmp_path / "events.jsonl.progress"
    other.write_text(
        '{"queue_url":"https://x/1/q","started":1,"done":{"lines":0,"size":0,"digest":""}}'
    )
    result = _run(_command(deployment, str(file)))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {other} is about the queue https://x/1/q; delete it to send everything to the "
        "other one.\n"
    )


@pytest.mark.parametrize("content", ["", "{}", "[1]", "no json"])
def test_a_damaged_progress_file_says_what_to_do(
    deployment: Deployment, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(_event("a"))
    damaged = tmp_path / "events.jsonl.progress"
    damaged.write_text(content)
    result = _run(_command(deployment, str(file)))
    assert (result.returncode, result.stderr) == (
        1,
        f"error: {damaged} is no progress file; delete it to begin with the first line.\n",
    )


def test_a_missing_file_is_one_sentence(deployment: Deployment) -> None:
    result = _run(_command(deployment, "nowhere.jsonl"))
    assert (result.returncode, result.stderr) == (
        1,
        "error: nowhere.jsonl cannot be read: No such file or directory.\n",
    )


def test_a_queue_that_is_not_there_is_named(deployment: Deployment) -> None:
    url = deployment.outputs["queueUrl"] + "-not"
    result = _run([*_command(deployment, "-"), "--queue-url", url], _event("a"))
    assert result.returncode == 1
    assert result.stderr == (
        f"error: There is no queue {url}: pass what `pulumi stack output queueUrl` prints.\n"
    )


def test_without_credentials_it_says_which_to_set(deployment: Deployment) -> None:
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
    command = [*_command(deployment, "-"), "--queue-url", url]
    result = _run(command, _event("a"), environment)
    assert result.returncode == 1
    assert result.stderr.splitlines()[0] == (
        "error: Unable to locate credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY."
    )


def test_without_a_region_it_says_what_to_set(deployment: Deployment) -> None:
    result = _run(_command(deployment, "-"), _event("a"), dict(os.environ))
    assert (result.returncode, result.stderr) == (
        1,
        "error: No AWS region is set: set AWS_DEFAULT_REGION.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--queue-url", "queue", "-"], "'queue' is no URL"),
        (["--queue-url", "https://x", "-"], "'https://x' is no queue's URL"),
        (
            ["--queue-url", "https://x/1/q", "--version-attribute", "event_id", "-"],
            "'event_id' cannot hold a version",
        ),
    ],
)
def test_a_usage_error_names_the_value(arguments: list[str], reason: str) -> None:
    result = _run([sys.executable, "-m", "examples.producer", *arguments])
    assert result.returncode == 2
    assert reason in result.stderr
