"""Leaks made on purpose: tests/test_markers.py runs them, and each must be found. Collected by nobody else."""
