"""The Omnivore extractor: its weights files, its clips and their augmented views.

Source: Girdhar et al., "Omnivore", CVPR 2022; Chalk et al., "TIM", CVPR 2024, whose features are
the pooled output of the trunk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.models.video.swin_transformer import SwinTransformer3d

from avlib.errors import CheckpointError
from avlib.extractors.omnivore.clips import omnivore_frames, omnivore_picture
from avlib.extractors.omnivore.network import (
    DEPTH_INPUT,
    SWIN_B,
    Omnivore,
    infer_sizes,
    network_weights,
    omnivore_trunk,
    published_name,
)
from avlib.extractors.omnivore.window_attention import fuse_attention
from avlib.extractors.pictures import normalise
from avlib.extractors.rand_augment import OMNIVORE, Operation, augment
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash, fit_state_dict, load_metadata, load_state_dict
from avlib.io.weights import save_weights
from avlib.media.frames import Picture
from avlib.seeds import generator

NOT_OF_THE_TRUNK = (DEPTH_INPUT, "head.", "heads.")


@dataclass(frozen=True)
class ClipSize:
    """What a network sees of an interval; the defaults are published.

    Attributes:
        num_frames: frames of a clip.
        crop: height and width in pixels.
    """

    num_frames: int = 32
    crop: int = 224


def save_omnivore(
    target: Path, network: Omnivore, clip: ClipSize, metadata: dict[str, str]
) -> None:
    """Write a network of our own as safetensors.

    Args:
        target: file to write.
        network: its weights are written under the published names, beside `head.*`.
        clip: what it was trained on.
        metadata: more text to note, such as the names of the classes.
    """
    weights = network_weights(network)
    sizes = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in (asdict(infer_sizes(weights)) | asdict(clip)).items()
    }
    save_weights(target, weights, metadata | sizes | {"classes": str(network.head.out_features)})


def load_omnivore(path: Path) -> tuple[SwinTransformer3d, ClipSize]:
    """Return the trunk of a weights file, at the file's own sizes, and what it sees.

    The file is a published checkpoint, {trunk, heads} or the trunk's tensors alone, or one of
    `save_omnivore`. Heads and the input for depth are left out.

    Raises:
        CheckpointError: if the file cannot be read, is of another network or does not fit.
    """
    state = load_state_dict(path)
    state = {name: v for name, v in state.items() if not name.startswith(NOT_OF_THE_TRUNK)}
    try:
        sizes = infer_sizes(state)
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path}: not an Omnivore file ({error})") from error
    trunk = omnivore_trunk(sizes)
    fit_state_dict(trunk, state, path, names=published_name)
    noted = load_metadata(path)
    clip = {name: int(noted[name]) for name in ("num_frames", "crop") if name in noted}
    return trunk.eval(), ClipSize(**clip)


def untrained_omnivore(seed: int) -> tuple[SwinTransformer3d, ClipSize]:
    """Return the published trunk with random weights, whose features carry nothing learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return omnivore_trunk(SWIN_B).eval(), ClipSize()


def check_omnivore(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is an Omnivore trunk.

    Raises:
        CheckpointError: if it is not.
    """
    _, clip = load_omnivore(checkpoint)
    state = load_state_dict(checkpoint)
    report = {"path": str(checkpoint), "sha256": file_hash(checkpoint)}
    sizes = asdict(infer_sizes(state)) | asdict(clip)
    write_json(target, {**report, **sizes, "metadata": load_metadata(checkpoint)})


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
        trunk: SwinTransformer3d,
        clip: ClipSize,
        *,
        seed: int,
        first_frame: Literal["consistent", "reference"],
    ) -> None:
        self.channels = int(trunk.num_features)
        self.network: nn.Module = fuse_attention(trunk)
        self._clip, self._seed, self._first_frame = clip, seed, first_frame

    def frames(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the frames of each interval, counted from 0: (N, T)."""
        starts, stops = rows["start_frame"].to_numpy(), rows["stop_frame"].to_numpy()
        return omnivore_frames(starts, stops, num_frames=self._clip.num_frames)

    def picture(self, picture: Picture) -> Picture:
        """Return what the network sees of a picture without augmentation: (crop, crop, 3)."""
        return omnivore_picture(picture, self._clip.crop)

    def augmented(
        self, pictures: Sequence[Picture], item: tuple[str, int], before: tuple[str, int]
    ) -> Iterator[Picture]:
        """Yield what the network sees of the pictures of an augmented view.

        Args:
            pictures: the clip's, in the video's own size.
            item: interval and view.
            before: those of the augmented clip before.
        """
        own = self._operations(names_of=item, item=item)
        first = own
        if self._first_frame == "reference":
            first = self._operations(names_of=before, item=item)
        done: dict[tuple[int, int], Picture] = {}  # a clip may hold a picture several times
        for place, picture in enumerate(pictures):
            operations = own if place else first
            key = (id(picture), id(operations))
            if key not in done:
                image = augment(Image.fromarray(picture), operations, OMNIVORE.fill)
                done[key] = self.picture(np.asarray(image))
            yield done[key]

    def _operations(self, *, names_of: tuple[str, int], item: tuple[str, int]) -> list[Operation]:
        names = generator(self._seed, *names_of, "operations")
        return OMNIVORE.draw(names, generator(self._seed, *item, "levels"))

    def features(self, clips: Tensor) -> Tensor:
        """Return the features (B, C) of clips (B, T, crop, crop, 3) of 8 bits."""
        return self.network(normalise(clips).to(next(self.network.parameters()).dtype))
