"""Which settings mattered, by two estimators with intervals."""
