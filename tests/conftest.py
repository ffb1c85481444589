"""Fixtures that more than one folder of tests uses."""

pytest_plugins = ["tests.counting", "tests.anvil", "tests.databases", "tests.no_skips"]
