"""Workloads and the runner: ``python -m benchmarks`` measures and rewrites the table of README.md."""
