"""How thoroughly the machine looks for exceptions to a law: at least 500 worlds each, wherever the tests run."""

import os

from hypothesis import HealthCheck, settings

_SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("search", max_examples=5_000, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile(
    "fuzz", max_examples=10_000, deadline=None, derandomize=True, suppress_health_check=_SLOW_IS_FINE
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
