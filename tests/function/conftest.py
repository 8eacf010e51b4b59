"""How many examples hypothesis tries: HYPOTHESIS_PROFILE is check, test (the default) or prove."""

import os

from hypothesis import HealthCheck, settings

_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "test")
settings.register_profile(
    _PROFILE,
    max_examples={"check": 25, "test": 200, "prove": 2000}[_PROFILE],
    derandomize=_PROFILE != "prove",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(_PROFILE)
