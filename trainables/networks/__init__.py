"""What variants share of networks: pretrained weights, and batch norms over several processes."""
