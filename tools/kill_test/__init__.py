"""Kill runs of the demos, resume them, compare them with whole ones: ``python -m tools.kill_test``."""
