"""What the tests share, and how many examples hypothesis tries.

HYPOTHESIS_PROFILE is check, test (the default) or prove.
"""

import gc
import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.function.looping import open_files

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "test", max_examples=200, derandomize=True, deadline=None, suppress_health_check=_QUIET
)
settings.register_profile("check", settings.get_profile("test"), max_examples=25)
settings.register_profile("prove", max_examples=2000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture
def closes_all() -> Iterator[None]:
    """Check that nothing stays open."""
    gc.collect()
    before = open_files()
    yield
    gc.collect()
    deadline = time.monotonic() + 10  # the server's threads end a little later
    while open_files() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_files() <= before
