"""LCBench's hyperparameters as a variant's Config, so that a space over them is read and sampled like any other."""

TITLE = "LCBench, a table of 2,000 learning curves per task, as a surrogate"
