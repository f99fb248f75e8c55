"""A run read back as frames: reports, trials and Pareto fronts."""
