"""Where images and objects come from: one module for each value of `data.source`, and what they share."""
