"""The demo: it ends well on the real program, and badly on one that breaks a promise."""

import json
from decimal import Decimal

import pytest

from tools import demo
from tools.demo import Message, newest
from tools.stacks import Stack, load_stack


def test_every_promise_holds_and_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.demo() == 0
    shown = capsys.readouterr().out
    assert shown.count("✓") == len(list(demo.broken_messages())) + 7 + 5
    assert "✗" not in shown
    for outcome in ("written", "superseded", "coalesced", "rejected"):
        assert f" {outcome}" in shown


def test_without_the_version_guard_the_demo_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unguarded(name: str) -> Stack:
        return load_stack(name).with_config({"versionAttribute": ""})

    monkeypatch.setattr(demo, "load_stack", unguarded)
    assert demo.demo() == 1
    assert "✗ Each of the 16 ids has the newest of its events" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (None, 0),
        (9, 10),
        (10**40, "2025-03-30T01:00:00Z"),
        ("2025-03-30T01:00:00Z", "2025-03-30T01:00:00.5Z"),
        ("2025-03-30T01:00:00.5Z", "2025-03-30T01:00:00.51+00:00"),
        ("2025-03-30T01:00:00.999999999Z", "2025-03-30T01:00:01Z"),
    ],
)
def test_its_model_ranks_versions_whatever_the_order(older: object, newer: object) -> None:
    bodies = [
        json.dumps({"event_id": "a"} | ({} if version is None else {"timestamp": version}))
        for version in (older, newer)
    ]
    events = [Message(group="", shows="", body=body) for body in bodies]
    assert newest(events) == newest(reversed(events)) == {"a": events[1].item}


def test_numbers_are_expected_exactly() -> None:
    (message,) = (m for m in demo.first_messages() if m.group == "ledger-1")
    assert message.item["balance"] == Decimal("12345678901234567890123456789012345678")
