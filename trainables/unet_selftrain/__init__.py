"""Variant unet_selftrain: a U-Net that picks particles, and then learns from what it is sure of."""

TITLE = "self-training of a particle-picking U-Net on micrographs"
