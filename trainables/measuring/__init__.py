"""Metrics and calibration on arrays; no torch, no settings."""
