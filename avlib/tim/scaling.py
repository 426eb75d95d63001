"""Features at one scale in training, which the weights take over afterwards.

Channels of different sizes learn at different rates, and dropout at 0 is far from the mean of
channels that are never negative. So a training may subtract the mean of each channel over the train
split and divide by its deviation; then the first layer takes both over, and the weights are those
of an ordinary model of features as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.tim.feature_files import FeatureFiles
from avlib.tim.recipes import Modality

FLOOR = 0.01  # of a channel's deviation, as a share of that of all channels together


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and deviation of the channels of a modality: (D,) each."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def applied(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features (..., D) at one scale."""
        return ((features - self.mean) / self.deviation).astype(np.float32)


def scaling_of(files: FeatureFiles) -> Scaling:
    """Return the scaling of the unaugmented features of a split.

    The deviation of a channel has a share of that of all channels added, since one that hardly
    varies says nothing.
    """
    count, total, squares = 0, np.zeros(files.shape[-1]), np.zeros(files.shape[-1])
    for video_id, n_rows in files.n_intervals.items():
        rows = np.arange(n_rows)
        features = files.read(video_id, rows, np.zeros_like(rows)).astype(np.float64)
        count += n_rows
        total += features.sum(axis=0)
        squares += (features**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    overall = np.sqrt(max(float((squares / count).mean() - mean.mean() ** 2), 0.0))
    return Scaling(mean, deviation + FLOOR * overall + np.finfo(np.float32).tiny)


def for_unscaled(
    weights: Mapping[str, Tensor], by: Mapping[Modality, Scaling]
) -> dict[str, Tensor]:
    """Return weights for features as they are, from those for scaled ones.

    Args:
        weights: of a model of TIM.
        by: scaling of each modality that it takes.
    """
    return _moved(weights, {m: (s.mean, 1 / s.deviation) for m, s in by.items()})


def for_scaled(weights: Mapping[str, Tensor], by: Mapping[Modality, Scaling]) -> dict[str, Tensor]:
    """Return weights for scaled features, from those for features as they are."""
    inverse = {m: (-s.mean / s.deviation, s.deviation) for m, s in by.items()}
    return _moved(weights, inverse)


def _moved(
    weights: Mapping[str, Tensor],
    by: Mapping[Modality, tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> dict[str, Tensor]:
    """Return weights of which the first layer of x is that of (x - mean) * factor."""
    found = dict(weights)
    for modality, (mean, factor) in by.items():
        name = f"feature_encoding.{modality}_embedder.1"
        weight, bias = found[f"{name}.weight"], found[f"{name}.bias"]
        wide = weight.double() * torch.from_numpy(factor).to(weight.device)  # (d, D)
        shift = wide @ torch.from_numpy(mean).to(weight.device)
        found[f"{name}.weight"] = wide.to(weight.dtype)
        found[f"{name}.bias"] = (bias.double() - shift).to(bias.dtype)
    return found
