"""Variant seq_attention: a network that is shown which objects are marked, and says where the next one is, or done."""

TITLE = "the next object and the done signal"
