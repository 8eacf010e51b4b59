"""The demo: it ends well on the real program, and badly on one that breaks a promise."""

import itertools
from decimal import Decimal

import pytest

from tests.model import expected
from tools import demo
from tools.demo_events import BROKEN, groups
from tools.event import decode
from tools.stacks import Stack, load_stack


def test_every_promise_holds_and_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.demo() == 0
    shown = capsys.readouterr().out
    legends, promises = 2, 5
    assert shown.count("✓") == len(BROKEN) + len(groups()) + legends + promises
    assert "✗" not in shown
    assert max(map(len, shown.partition("Now your own event")[2].splitlines())) <= 120
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


def test_what_must_remain_is_what_the_model_says() -> None:
    for group in groups():
        sent = [decode(body) for body in itertools.chain(group.first, group.late)]
        assert group.items == expected(sent, "newest")


def test_numbers_are_expected_exactly() -> None:
    (ledger,) = (group for group in groups() if group.name == "ledger-1")
    assert ledger.items["ledger-1"]["balance"] == Decimal("12345678901234567890123456789012345678")
