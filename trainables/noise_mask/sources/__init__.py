"""Where noise_mask's images come from: a module for each value of `data.source`, with its helpers beside it."""
