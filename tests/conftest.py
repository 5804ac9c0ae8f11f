"""What all tests share: how hypothesis runs."""

from hypothesis import HealthCheck, settings

# A loaded machine is slow without a fault of the code: time is bounded by pytest's timeout, not per example.
settings.register_profile("packhorse", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("packhorse")
