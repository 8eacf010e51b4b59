"""The demo: it ends well on the real program, and badly on one that breaks a promise."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.model import expected
from tools import demo
from tools.deployed import DeadLetter
from tools.groups import BROKEN, bursts, groups
from tools.stacks import load_stack

SENT = [*groups(), bursts()]


def test_every_promise_holds_and_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the stack's file says of the key and the version."""
    other = load_stack("local").with_config({"versionAttribute": "", "keyAttribute": "order.id"})
    monkeypatch.setattr(demo, "load_stack", lambda _: other)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nothing here goes through it
    assert demo.demo() == 0
    shown = capsys.readouterr().out
    legends, promises = 2, 5
    assert shown.count("✓") == len(BROKEN) + len(SENT) + legends + promises
    assert "✗" not in shown
    assert max(map(len, shown.partition("Now your own event")[2].splitlines())) <= 120
    for outcome in ("written", "superseded", "coalesced", "rejected"):
        assert f" {outcome}" in shown


def test_without_the_version_guard_the_demo_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "PATTERN", {"versionAttribute": ""})
    assert demo.demo() == 1
    shown = capsys.readouterr().out
    assert "✗ Each of the 15 ids has the newest of its events" in shown
    assert "✓ Each of the 221 events was acknowledged" in shown


@pytest.mark.parametrize(
    ("found", "change", "unkept"),
    [
        ("stored", lambda all_: None, None),
        ("stored", lambda all_: all_["evt-1001"].update(status="new"), "Each of the 15 ids"),
        ("stored", lambda all_: all_.pop("cart-3"), "Each of the 15 ids"),
        ("stored", lambda all_: all_.update(more={"event_id": "more"}), "Each of the 15 ids"),
        ("dead", lambda all_: all_.pop(), "Each of the 11 broken"),
        ("dead", lambda all_: all_.append(all_[0]), "Each of the 11 broken"),
        ("dead", lambda all_: all_.append(all_.pop()._replace(reason="")), "Each dead letter"),
        ("counts", lambda all_: all_.update(Written=49), "Each of the 221 events"),
        ("counts", lambda all_: all_.update(Written=221, Superseded=0), "Late events"),
        ("counts", lambda all_: all_.update(Written=221, Coalesced=0), "Late events"),
    ],
)
def test_each_promise_is_checked(
    found: str, change: Callable[[Any], object], unkept: str | None
) -> None:
    ended: dict[str, Any] = {  # where all is well
        "stored": {each["event_id"]: dict(each) for group in SENT for each in group.remains},
        "dead": [DeadLetter("m", body, 0, "its reason", "a", "r") for body in BROKEN.values()],
        "counts": {"Written": 50, "Superseded": 100, "Coalesced": 71},
    }
    change(ended[found])
    promises = demo.check(SENT, **ended)
    assert [text for text, kept in promises.items() if not kept] == [
        text for text in promises if unkept and text.startswith(unkept)
    ]


@pytest.mark.parametrize(
    ("key", "attribute"), [("event_id", "timestamp"), ("order.id", 'v"n'), ("user_id", "balance")]
)
def test_what_must_remain_is_what_the_model_says(key: str, attribute: str) -> None:
    made = groups(key, attribute, "run-")
    for group in made:
        (remains,) = group.remains
        sent = [*group.first, *group.late]
        assert expected(sent, "newest", attribute, key) == {remains[key]: remains}
        assert remains[key].startswith("run-")
    assert len({group.remains[0][key] for group in made}) == len(made)
    carts = {each["event_id"]: each for each in bursts().remains}
    assert expected(bursts().first, "newest") == carts
