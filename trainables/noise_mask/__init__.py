"""Variant noise_mask: a classifier is heated under noise masks that a policy learns, and fine-tuned without them."""

TITLE = "policy-gradient noise masks, heated then fine-tuned"
