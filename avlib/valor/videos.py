"""The videos of a split as batches of features and labels for the parser."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.valor.feature_folders import FeatureFolder
from avlib.valor.network import SEGMENTS, pool_to_segments
from avlib.valor.objective import ParserBatch
from avlib.valor.recipes import FEATURE_MODALITIES


class ParserVideos:
    """Features and labels of one split.

    Features are pooled to segments when a video is first read, and kept in memory: 107 KB a video
    for VALOR, whose files have 680 KB.

    Args:
        features: folders of `audio`, `visual` (2-D) and `motion` (3-D) features of the same videos.
        labels: (N, K) weak labels of 0 and 1.
        segment_labels: pseudo labels of `audio` and `visual`, (N, T, K) each; None without any.

    Raises:
        DataError: if folders and labels do not have the same videos.
    """

    def __init__(
        self,
        features: Mapping[str, FeatureFolder],
        labels: NDArray[np.uint8],
        segment_labels: Mapping[str, NDArray[np.uint8]] | None = None,
    ) -> None:
        self.features = {name: features[name] for name in FEATURE_MODALITIES}
        self.video_ids = self.features["audio"].video_ids
        self.labels, self.segment_labels = labels, segment_labels
        for name, folder in self.features.items():
            if folder.video_ids != self.video_ids:
                raise DataError(f"{folder.folder}: {name} features are of other videos")
        self._check_labels()
        self._segments = {
            name: np.empty((len(self), SEGMENTS, folder.width), dtype=np.float32)
            for name, folder in self.features.items()
        }
        self._is_read = np.zeros(len(self), dtype=bool)

    def _check_labels(self) -> None:
        if self.labels.ndim != 2 or len(self.labels) != len(self):
            raise DataError(f"labels {self.labels.shape}, expected a row for {len(self)} videos")
        expected = (len(self), SEGMENTS, self.num_classes)
        for name, labels in (self.segment_labels or {}).items():
            if labels.shape != expected:
                raise DataError(f"{name} segment labels {labels.shape}, expected {expected}")

    def __len__(self) -> int:
        return len(self.video_ids)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.labels.shape[1]

    @property
    def widths(self) -> dict[str, int]:
        """Widths of the features by modality."""
        return {name: folder.width for name, folder in self.features.items()}

    def batch(self, indices: Sequence[int]) -> ParserBatch:
        """Return the batch of some videos, by their positions in the split.

        Raises:
            DataError: naming the file, if a feature holds NaN or infinity.
        """
        for index in indices:
            if not self._is_read[index]:
                self._read(index)
        rows = np.asarray(indices, dtype=np.int64)
        audio, visual, motion = (torch.from_numpy(x[rows]) for x in self._segments.values())
        labels = torch.from_numpy(self.labels[rows]).float()
        if self.segment_labels is None:
            return ParserBatch(audio, visual, motion, labels, None, None)
        of_teachers = (self.segment_labels[name] for name in ("audio", "visual"))
        audio_labels, visual_labels = (torch.from_numpy(x[rows]).float() for x in of_teachers)
        return ParserBatch(audio, visual, motion, labels, audio_labels, visual_labels)

    def _read(self, index: int) -> None:
        for name, folder in self.features.items():
            rows = torch.from_numpy(np.array(folder[index], dtype=np.float32))
            segments = pool_to_segments(rows).numpy()
            if not np.isfinite(segments).all():
                path = folder.path(self.video_ids[index])
                raise DataError(f"{path}: holds NaN or infinity; extract it again")
            self._segments[name][index] = segments
        self._is_read[index] = True

    def fingerprint(self) -> list[bytes]:
        """Return the fingerprint of the videos, their features and labels."""
        labels = [self.labels, *(self.segment_labels or {}).values()]
        files = [folder.fingerprint() for folder in self.features.values()]
        return files + [np.ascontiguousarray(x).tobytes() for x in labels]
