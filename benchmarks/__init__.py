"""Reproducible measurements, each `python -m benchmarks.<name>`; their figures land in docs/benchmarks.md."""
