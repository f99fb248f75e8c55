"""The training variants, and the one loop, trainable and file formats that they share."""
