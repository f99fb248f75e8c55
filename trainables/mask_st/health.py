"""What can be wrong with a mask training, judged from one epoch's report: what was measured, and what to change."""

from __future__ import annotations

import math
from collections.abc import Mapping

from trainables.contract import Finding
from trainables.mask_st.config import Config


def plain_epochs(config): return math.ceil(config.bce_fraction * config.epochs)
def findings(report, config): return []
