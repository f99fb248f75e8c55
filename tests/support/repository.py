"""Where the checkout is, whatever the folder of a test file."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
