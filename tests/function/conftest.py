"""What the tests share, and how many examples hypothesis tries.

HYPOTHESIS_PROFILE is check, test (the default) or prove.
"""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.function.looping import open_files
from tools.deployed import wait_for

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
    # The server's threads end a little later.
    assert wait_for(lambda: open_files() <= before, 10, every=0.01)
