"""The loss that encoders of two kinds of items are trained with.

Source: Mei et al., "WavCaps", 2023, and its published code: cross-entropy of cosines over a
temperature, in both directions, where all items of one id are positive.
"""

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.07


def contrastive_loss(
    clips: Tensor, texts: Tensor, ids: Tensor, temperature: float = TEMPERATURE
) -> Tensor:
    """Return the mean of the cross-entropies of texts given clips, and of clips given texts.

    Args:
        clips: (B, D) embeddings, of any length.
        texts: (B, D) embeddings of their texts, of any length.
        ids: (B,) whatever is equal for a clip and a text that fit, beside those of one row.
        temperature: that the cosines are divided by.
    """
    cosines = functional.normalize(clips, dim=-1) @ functional.normalize(texts, dim=-1).T
    is_positive = (ids[:, None] == ids[None]).to(cosines.dtype)
    targets = is_positive / is_positive.sum(dim=1, keepdim=True)
    logits = cosines / temperature
    by_clip, by_text = (functional.cross_entropy(rows, targets) for rows in (logits, logits.T))
    return torch.stack([by_clip, by_text]).mean()
