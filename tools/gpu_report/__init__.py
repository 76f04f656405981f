"""Measure the package on one GPU, and write docs/gpu.md: ``make gpu-report``."""
