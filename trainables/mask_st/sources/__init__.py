"""Where mask_st's images, labels and boxes come from: `NAME.py` is the value of `data.source`."""
