"""A variant that trains nothing: its learning curves are a formula, so that the platform itself can be measured."""

TITLE = "learning curves by formula"
