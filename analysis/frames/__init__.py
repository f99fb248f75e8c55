"""A run read back as data frames: reports, trials and Pareto fronts."""
