"""Badge images."""
