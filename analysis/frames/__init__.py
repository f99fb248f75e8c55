"""A run read back as data frames: reports and trials."""
