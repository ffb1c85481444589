"""Fixtures that more than one folder of tests uses, and how properties are tried."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.counting", "tests.anvil", "tests.databases", "tests.no_skips"]

# What a machine is busy with decides about no test. The first text of all is made from tables
# that take seconds in a fresh clone; a deadline for each example is a timed test.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")
