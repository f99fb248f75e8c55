"""Read a run back: ranked trials, exports."""
