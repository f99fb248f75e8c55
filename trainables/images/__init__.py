"""Images: decoded once, as squares, in sets that trials share, augmented on the device, and put together in sheets."""
