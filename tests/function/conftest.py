"""How many examples hypothesis tries: HYPOTHESIS_PROFILE is check, test (the default) or prove."""

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "test", max_examples=200, derandomize=True, deadline=None, suppress_health_check=_QUIET
)
settings.register_profile("check", settings.get_profile("test"), max_examples=25)
settings.register_profile("prove", max_examples=2000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
