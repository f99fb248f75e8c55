"""Sources of images and fixations: `NAME.py` is the source that `data.source=NAME` selects."""
