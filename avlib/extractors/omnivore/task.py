"""What the training loop sees of Omnivore: labelled events as short clips, and steps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avlib.extractors.frames import normalise
from avlib.extractors.omnivore.clip_augment import augment_clip
from avlib.extractors.omnivore.clips import omnivore_frames, omnivore_image
from avlib.extractors.omnivore.network import Omnivore, network_weights
from avlib.extractors.omnivore.recipes import ClipAugmentation, OmnivoreRecipe
from avlib.extractors.omnivore.steps import build_optimizer
from avlib.seeds import generator
from avlib.training.event_recognition import EventRecognition
from avlib.training.events import LabelledEvents

if TYPE_CHECKING:
    import pandas as pd

    from avlib.io.packs import FrameStore


class VisualEvents(LabelledEvents):
    """The events of one split whose video has frames; an input is (3, T, crop, crop).

    Args:
        events: as in `LabelledEvents`.
        frames: frames of the videos.
        heads: as in `LabelledEvents`.
        clip_s: length of one input of the network, in seconds.
        num_frames: frames T of one input.
        crop: their width and height in pixels.
        augmentation: what happens to the crops.
    """

    def __init__(
        self,
        events: "pd.DataFrame",
        frames: "FrameStore",
        *,
        heads: Sequence[str],
        clip_s: float,
        num_frames: int,
        crop: int,
        augmentation: ClipAugmentation,
    ) -> None:
        super().__init__(
            events,
            {v: frames.n_frames(v) for v in set(events.video_id) if v in frames},
            rate=frames.rate_fps,
            heads=heads,
            clip_ticks=round(frames.rate_fps * clip_s),
        )
        self.frames, self.num_frames, self.crop_size = frames, num_frames, crop
        self.augmentation = augmentation

    def clip(self, index: int, first: float) -> Tensor:
        """Return the middles of the images from a frame on, as features are extracted."""
        images = self._images(index, first)
        middles = np.stack([omnivore_image(image, self.crop_size) for image in images])
        return _as_input(middles)

    def augmented_clip(self, index: int, first: float, rng: np.random.Generator) -> Tensor:
        """Return the augmented images from a frame on."""
        images = self._images(index, first)
        return _as_input(augment_clip(images, self.crop_size, rng, self.augmentation))

    def video_fingerprint(self, video_id: str) -> bytes:
        """Return number and origin of a video's frames, and the middle one."""
        length = self.frames.n_frames(video_id)
        image = self.frames.read(video_id, [length // 2])
        return repr((length, self.frames.origin(video_id))).encode() + image.tobytes()

    def _images(self, index: int, first: float) -> NDArray[np.uint8]:
        """Return the images (T, H, W, 3) of the clip that begins at frame `first`."""
        last = min(int(first) + self.clip_ticks, self.stops[index])
        # The published rule takes clips one frame early, which matters at a low rate.
        numbers = omnivore_frames([int(first) + 1], [last + 1], num_frames=self.num_frames)
        return self.frames.read(self.video_ids[index], numbers[0].tolist())


def _as_input(images: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
    """Return images (T, H, W, 3) of 0 to 255 as the network takes them: (3, T, H, W)."""
    return normalise(torch.from_numpy(images)[None])[0]


class VisualRecognition(EventRecognition):
    """What `avlib.training.loop.fit` trains: the network, on the events of two splits."""

    model: Omnivore
    title = "Omnivore"

    def __init__(
        self,
        model: Omnivore,
        recipe: OmnivoreRecipe,
        *,
        splits: Mapping[str, LabelledEvents],
        seed: int,
    ) -> None:
        super().__init__(
            model,
            build_optimizer(model, recipe.schedule.base_rate, recipe.weight_decay),
            recipe,
            splits=splits,
            seed=seed,
        )
        self.recipe = recipe

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from `first_step` on, and the share of each class."""
        batches = super().batches(epoch, first_step)
        for step, (clips, labels) in enumerate(batches, start=first_step):
            rng = generator(self.seed, "paste", epoch, step)
            shares = self._shares(labels)
            is_mixed = rng.random() < self.recipe.pasting
            yield paste_rectangle(clips, shares, rng) if is_mixed else (clips, shares)

    def train_step(self, batch: tuple[Tensor, Tensor]) -> float:
        """Update the network once and return the loss, the mean over the heads."""
        self.model.train()
        clips, shares = (x.to(self.device) for x in batch)
        logits = self.model(clips)
        logits = (logits,) if isinstance(logits, Tensor) else logits
        parts = torch.split(shares, self.model.num_classes, dim=1)
        losses = [
            functional.cross_entropy(x, y, label_smoothing=self.recipe.label_smoothing)
            for x, y in zip(logits, parts, strict=True)
        ]
        loss = torch.stack(losses).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def _shares(self, labels: Tensor) -> Tensor:
        """Return the share of each class, those of each head side by side: (B, all K)."""
        heads = zip(labels.unbind(dim=1), self.model.num_classes, strict=True)
        return torch.cat([functional.one_hot(x, count) for x, count in heads], dim=1).float()

    def weights(self) -> dict[str, Tensor]:
        """Return the network's weights under the published names."""
        return {name: tensor.cpu() for name, tensor in network_weights(self.model).items()}


def paste_rectangle(
    clips: Tensor, shares: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Put the same random square of each clip's opposite number in the batch onto it.

    Source: Yun et al., "CutMix", ICCV 2019, section 3, with the square inside the image.

    Shape:
        clips: (B, 3, T, H, W).
        shares: (B, K), share of each class.
    """
    size = clips.shape[-1]
    side = int(size * np.sqrt(rng.random()))
    top, left = rng.integers(0, size - side + 1, 2)
    mixed = clips.clone()
    place = (..., slice(top, top + side), slice(left, left + side))
    mixed[place] = clips.flip(0)[place]
    pasted = (side / size) ** 2
    return mixed, (1 - pasted) * shares + pasted * shares.flip(0)
