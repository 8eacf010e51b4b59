"""What the tests of connections share."""

import gc
import time
from collections.abc import Iterator

import pytest

from tests.function.looping import open_files


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
