"""The one training loop, and what it needs: schedules, gradients, weights, generators, and the folder of a training."""
