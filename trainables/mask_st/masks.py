"""Where the mask comes from: one class for all kinds of mask, in training and deployment.

straight_through  sampled from the generator's logits; the task's gradient reaches the generator
deterministic     the generator's top cells, without a gradient from the task: the published baseline that had to
                  collapse, kept as a negative control (a deterministic mask that learns: noise=none temperature=1)
ppo               Bernoulli actions on a grid, learnt from rewards
random            every cell with the same probability: no generator
none              no masks at all
"""

from __future__ import annotations

import math

from torch import Tensor

from trainables.mask_st import policy, sampling
from trainables.mask_st.config import Config
from trainables.mask_st.model import MaskGenerator
from trainables.mask_st.sampling import Mask


class MaskSource:
    """Logits, samples and deployed masks of one mask kind.

    Attributes:
        side: of the mask, in cells.
        top_k: number of cells that the projection keeps, or None without projection.
        generator: None where nothing is learnt.
    """

    def __init__(self, config: Config, generator: MaskGenerator | None) -> None:
        self.config, self.generator = config, generator
        self.side = config.mask_side
        self.top_k = sampling.projection_size(config.keep_ratio, self.side**2) if config.project else None

    def logits(self, images: Tensor) -> Tensor:
        """Compute logits `[b, 1, side, side]` of images `[b, C, S, S]`; random masks have keep_ratio's everywhere."""
        if self.generator is None:
            ratio = self.config.keep_ratio
            return images.new_full((len(images), 1, self.side, self.side), math.log(ratio / (1 - ratio)))
        logits = self.generator(images)
        return policy.to_grid(logits, self.side) if self.config.mask_kind == "ppo" else logits

    def draw(self, logits: Tensor, noise: Tensor, temperature: float) -> Mask:
        """Draw the masks that training multiplies the images with, in cells."""
        kind = self.config.mask_kind
        if kind == "straight_through":
            return sampling.sample(logits, noise, temperature, hard=self.config.hard, top_k=self.top_k)
        if kind == "ppo":
            return Mask(policy.draw_actions(logits, noise), logits.sigmoid())
        scores = logits.detach() + (noise if kind == "random" else 0.0)
        return Mask(sampling.binarise(scores, self.top_k), logits.sigmoid())

    def deploy(self, logits: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return saliency in (0, 1) and binary mask, both `[b, 1, side, side]`, without noise but for random masks."""
        scores = logits if noise is None else logits + noise
        return scores.sigmoid(), sampling.binarise(scores, self.top_k)
