"""The folder that an export or a full training leaves: written, read, and opened for inference."""
