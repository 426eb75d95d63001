"""YAMNet on intervals of recordings: mean embeddings and scores of their patches."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.extractors.scored import Scored
from avlib.extractors.yamnet.front_end import Patches, Recording, interval_frames
from avlib.extractors.yamnet.network import EMBEDDING, YamNet, fused
from avlib.prefetch import prefetched

BATCH_SIZE = 16  # patches


class YamNetModel:
    """The network ready to run.

    Args:
        network: with its weights.
        device: where it runs.
        dtype: its precision.
    """

    def __init__(self, network: YamNet, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._network = fused(network).to(device, dtype)

    def blocks(
        self, recording: Recording, intervals: Sequence[tuple[float, float]]
    ) -> Iterator[Scored]:
        """Yield embeddings and scores of intervals, in order: means over the patches of each.

        The patches of a batch are made while the network works on the batch before. Batches do
        not depend on other recordings; an interval may be part of several.

        Args:
            recording: of a video.
            intervals: (start_s, stop_s) of each.
        """
        first, interval = interval_frames(intervals)
        batches = [slice(i, i + BATCH_SIZE) for i in range(0, len(first), BATCH_SIZE)]
        patches = prefetched(recording.patches(first[batch]) for batch in batches)
        counts = np.bincount(interval)
        done, begun = 0, np.zeros(0)  # number of intervals, sum of the one that is not complete
        for batch, inputs in zip(batches, patches, strict=True):
            numbers = interval[batch]
            edges = np.flatnonzero(np.diff(numbers, prepend=-1))
            sums = np.add.reduceat(self.run(inputs), edges, axis=0)
            if len(begun):
                sums[0] += begun
            goes_on = batch.stop < len(interval) and interval[batch.stop] == numbers[-1]
            begun = sums[-1] if goes_on else np.zeros(0)
            n_complete = len(sums) - goes_on
            means = (sums[:n_complete] / counts[done : done + n_complete, None]).astype(np.float32)
            done += n_complete
            if n_complete:
                yield Scored(means[:, :EMBEDDING], means[:, EMBEDDING:])

    @torch.inference_mode()
    def run(self, patches: Patches) -> NDArray[np.float64]:
        """Return embeddings and scores of patches, side by side: (P, EMBEDDING + N_CLASSES)."""
        x = torch.from_numpy(patches).to(self._device, self._dtype)
        embedding, logits = self._network(x)
        return torch.cat([embedding, logits.sigmoid()], dim=1).double().cpu().numpy()
