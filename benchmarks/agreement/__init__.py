"""Whether every place that prints a figure of a trial prints the same one: `python -m benchmarks.agreement`."""
