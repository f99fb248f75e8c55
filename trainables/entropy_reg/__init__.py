"""Variant entropy_reg: DeepGaze III, whose bias on images without content is kept small by an entropy term."""

TITLE = "entropy-regularised DeepGaze III"
