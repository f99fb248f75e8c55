"""Where the images and fixations of entropy_reg come from: `NAME.py` is the value of `data.source`."""
