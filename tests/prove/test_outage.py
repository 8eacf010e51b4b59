"""What becomes of messages while the table is away, on the function's own code."""

from tests.prove.outage import simulate


def test_managed_retries_outlast_two_hours_and_the_queue_alone_does_not() -> None:
    managed = simulate(managed=True, hours=2, a_minute=3, seed=2)
    assert managed["dead"] == 0
    assert managed["series"][-1]["stored"] == managed["sent"] == 390
    assert 0 < managed["last_waited_minutes"] <= 15
    plain = simulate(managed=False, hours=2, a_minute=3, seed=2)
    assert plain["dead"] > 300
    assert plain["dead"] + plain["series"][-1]["stored"] == plain["sent"]
