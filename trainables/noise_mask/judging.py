"""From the classifier to predictions of a split: without masks and under them, and by copies while it is heated.

A heated classifier may be poor by itself, as the method's authors say. So it is judged without masks by a copy that is
fine-tuned for a few steps (`probe`).
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from trainables.images.augment import to_device
from trainables.noise_mask import probe
from trainables.noise_mask.batches import Batches
from trainables.noise_mask.progress import Progress
from trainables.noise_mask.sampling import MaskSampler
from trainables.noise_mask.scoring import Predictions
from trainables.noise_mask.split import ClassImages

_MASK_SEED = 20240620  # of the masks under which images are scored and shown, in every epoch of every trial
_BATCH_SIZE = 256  # images


class Judge:
    """Predicts the classes of a split's images, each process doing its share.

    Args:
        classifier: of the images.
        sampler: of their masks.
        progress: whether the classifier is heated.
        batches: for the copies' fine-tuning and their batch norms.

    Attributes:
        maskfree_network: the network that was judged last without masks.
    """

    def __init__(self, classifier: nn.Module, sampler: MaskSampler, progress: Progress, batches: Batches) -> None:
        self.classifier, self.sampler, self.progress, self.batches = classifier, sampler, progress, batches
        self.config, self.device, self.processes = batches.config, batches.device, batches.processes
        self.maskfree_network = classifier

    def predict(self, split: ClassImages) -> Predictions:
        """Predict the classes of all images; all processes must call this."""
        after_heat = bool(self.progress.heated)
        self.maskfree_network = self.probe(0) if after_heat else self.classifier
        without_probe = maskfree = self.predict_network(self.maskfree_network, split)
        if after_heat and self.config.probe_steps:
            self.maskfree_network = self.probe(self.config.probe_steps)
            maskfree = self.predict_network(self.maskfree_network, split)
        maskon = self.predict_network(self.classifier, split, under_masks=True) if self.config.has_masks else maskfree
        return Predictions(maskfree, without_probe, maskon)

    def probe(self, steps: int) -> nn.Module:
        """Copy the classifier, fine-tune the copy for some steps and measure its batch norms without masks."""
        network = copy.deepcopy(self.classifier)
        probe.fine_tune(network, self.batches, self.config, steps)
        probe.measure_batch_norms(network, self.batches)
        return network

    def predict_network(self, network: nn.Module, split: ClassImages, *, under_masks: bool = False) -> np.ndarray:
        """Predict by some network, float64 `[N, K]`, the same in every process; it is left in evaluation mode."""
        network.eval()
        indices = self.processes.rows(torch.arange(len(split)))
        parts = []
        for rows in indices.split(_BATCH_SIZE):
            images, _ = to_device(split, rows, self.device)
            masks = self.draw_masks(images, int(rows[0])) if under_masks else None
            parts.append(class_probabilities(network, images if masks is None else images * masks))
        return self.processes.gather_rows(torch.cat(parts), len(split)).cpu().numpy()

    @torch.no_grad()
    def draw_masks(self, images: Tensor, index: int = 0) -> Tensor:
        """Draw a mask for each image, always the same for a number of processes, with the policy in evaluation mode.

        Args:
            images: `[b, C, S, S]`.
            index: of the first image in its split.
        """
        if self.sampler.policy is not None:
            self.sampler.policy.eval()
        batch_size = len(images) * self.processes.world
        return self.sampler.sample(images, batch_size, (_MASK_SEED, index), count=1).masks


@torch.no_grad()
def class_probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Compute probabilities float64 `[b, K]` of images `[b, C, S, S]`."""
    probabilities: Tensor = network(images).double().softmax(dim=1)
    return probabilities
