"""Values and their bytes: pure, no clock, no environment, no network, no database."""
