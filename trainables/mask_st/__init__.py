"""Variant mask_st: a classifier that must stay right on what a learned mask keeps and fail on what it drops."""

TITLE = "straight-through stochastic masks on chest X-rays"
