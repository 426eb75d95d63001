"""Stage extract_features for Omnivore: clips, their augmented views, and the trunk's features.

Source: Girdhar et al., "Omnivore", CVPR 2022; Chalk et al., "TIM", CVPR 2024, whose features are
the pooled output of the trunk.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd
import PIL
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from avlib.extractors.clips import ClipExtractor, ClipModel, extract_clips
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.frames import FrameSettings, normalise
from avlib.extractors.omnivore.clips import omnivore_frames, omnivore_image
from avlib.extractors.omnivore.network import infer_sizes
from avlib.extractors.omnivore.trunk import VideoSwin, fuse_attention
from avlib.extractors.omnivore.weights import ClipSize, load_omnivore, untrained_omnivore
from avlib.extractors.rand_augment import OMNIVORE, Operation, augment
from avlib.extractors.weights import write_report
from avlib.io.checkpoints import load_state_dict
from avlib.media.frames import Frame
from avlib.seeds import generator


@dataclass(frozen=True, kw_only=True)
class OmnivoreSettings(FrameSettings):
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        first_frame: whether the first frame of an augmented clip is treated as the others, or as
            in the published features.
    """

    first_frame: Literal["consistent", "reference"]


class OmnivoreClips:
    """The trunk ready for extraction, and the front end before it.

    Args:
        trunk: the network.
        clip: what it sees of an interval.
        seed: of the augmented views.
        first_frame: whether the first frame of an augmented clip is treated as the others, or gets
            the operations of the clip before, as in the published features.
    """

    def __init__(
        self,
        trunk: VideoSwin,
        clip: ClipSize,
        *,
        seed: int,
        first_frame: Literal["consistent", "reference"],
    ) -> None:
        self.channels = trunk.sizes.channels
        self.network: nn.Module = fuse_attention(trunk)
        self._clip, self._seed, self._first_frame = clip, seed, first_frame

    def frames(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the frames of each interval, counted from 0: (N, T)."""
        starts, stops = rows["start_frame"].to_numpy(), rows["stop_frame"].to_numpy()
        return omnivore_frames(starts, stops, num_frames=self._clip.num_frames)

    def image(self, image: Frame) -> Frame:
        """Return what the network sees of an image without augmentation: (crop, crop, 3)."""
        return omnivore_image(image, self._clip.crop)

    def augmented(
        self, images: Sequence[Frame], item: tuple[str, int], before: tuple[str, int]
    ) -> Iterator[Frame]:
        """Yield what the network sees of the images of an augmented view.

        Args:
            images: the clip's, in the video's own size.
            item: interval and view.
            before: those of the augmented clip before.
        """
        own = self._operations(names_of=item, item=item)
        first = own
        if self._first_frame == "reference":
            first = self._operations(names_of=before, item=item)
        done: dict[tuple[int, int], Frame] = {}  # a clip may hold an image several times
        for place, image in enumerate(images):
            operations = own if place else first
            key = (id(image), id(operations))
            if key not in done:
                augmented = augment(Image.fromarray(image), operations, OMNIVORE.fill)
                done[key] = self.image(np.asarray(augmented))
            yield done[key]

    def _operations(self, *, names_of: tuple[str, int], item: tuple[str, int]) -> list[Operation]:
        names = generator(self._seed, *names_of, "operations")
        return OMNIVORE.draw(names, generator(self._seed, *item, "levels"))

    def features(self, clips: Tensor) -> Tensor:
        """Return the features (B, C) of clips (B, T, crop, crop, 3) of 8 bits."""
        return self.network(normalise(clips).to(next(self.network.parameters()).dtype))


class OmnivoreExtractor(ClipExtractor[OmnivoreSettings]):
    """Makes the features of videos."""

    module = "avlib.extractors.omnivore.extraction"
    libraries = (cv2.__version__, PIL.__version__)  # the second augments

    def load(self, checkpoint: Path | None) -> ClipModel:
        """Return the network and its front end, with random weights without a checkpoint."""
        seed, first_frame = self._settings.seed, self._settings.first_frame
        trunk, clip = load_omnivore(checkpoint) if checkpoint else untrained_omnivore(seed)
        return OmnivoreClips(trunk, clip, seed=seed, first_frame=first_frame)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is an Omnivore trunk.

    Raises:
        CheckpointError: if it is not.
    """
    _, clip = load_omnivore(checkpoint)
    sizes = asdict(infer_sizes(load_state_dict(checkpoint))) | asdict(clip)
    write_report(target, checkpoint, sizes)


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_clips(files, OmnivoreExtractor, OmnivoreSettings(**settings), views)
