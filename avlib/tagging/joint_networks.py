"""Networks of legs with one space of seconds and texts: CLAP and CLIP.

They know no classes: the names of AudioSet's and of ImageNet's stand in a plain text each, and the
probability of a class is the softmax of the scaled cosines of a second and these texts.
"""

import hashlib
import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.extractors.clap.embeddings import sound_embeddings
from avlib.extractors.clap.intervals import interval_sound
from avlib.extractors.clap.log_mel import SAMPLE_RATE, log_mel
from avlib.extractors.clap.network import Clap
from avlib.extractors.clip.images import clip_input
from avlib.extractors.clip.network import Clip
from avlib.extractors.efficientnet_lite.images import classes as imagenet_classes
from avlib.extractors.efficientnet_lite.inference import middle_frames
from avlib.extractors.extraction import NetworkSettings
from avlib.extractors.scored import Scored
from avlib.io.atomic import atomic_path
from avlib.io.hashes import file_hash
from avlib.io.text_tokens import TOKENIZER_FILES
from avlib.io.weights_files import all_files
from avlib.media.clip_reader import ClipReader
from avlib.media.frames import Frame
from avlib.prefetch import prefetched
from avlib.tagging.archive import Leg
from avlib.tagging.audioset import NAMES as AUDIOSET_NAMES
from avlib.tagging.class_networks import place
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.scores import softmax
from avlib.tagging.text_towers import (
    PROMPTS,
    JointNetwork,
    cosine_scale,
    embedded,
    load_network,
    weights_name,
)

logger = logging.getLogger(__name__)

BATCH_SIZE = 8  # seconds, always: the last batch is padded

Vectors = NDArray[np.float32]


class ClassTexts(NamedTuple):
    """The classes in the space of a network.

    Attributes:
        vectors: (K, D) of their texts.
        scale: of cosines.
    """

    vectors: Vectors
    scale: float


class JointSeconds(ABC):
    """What both networks share.

    Args:
        files: of the network, a tokenizer among them.
        settings: how the network runs.
        cache: folder in which the vectors of classes are kept, which take a minute to make.
    """

    def __init__(self, files: LegFiles, settings: NetworkSettings, cache: Path) -> None:
        assert files.tokenizer is not None
        self._files, self._settings, self._cache = files, settings, cache
        self._tokenizer = files.tokenizer
        self._device, self._dtype = place(settings)

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that are scored."""

    @cached_property
    def kind(self) -> Leg:
        """What its scores are."""
        vectors, scale = self._texts
        weights = weights_name(self._files.checkpoint, self._settings.seed)
        return Leg(self._files.network, weights, self.classes, vectors.shape[1], scale)

    @cached_property
    def made_by(self) -> str:
        """Everything that decides the bytes, beside the settings and the video."""
        checkpoint, tokenizer = self._files.checkpoint, self._tokenizer
        paths = [] if checkpoint is None else all_files(checkpoint)
        paths += [tokenizer / name for name in TOKENIZER_FILES]
        prompt, place = PROMPTS[self._files.network], (str(self._device), str(self._dtype))
        seed = self._settings.seed if checkpoint is None else 0
        decided_by = (list(map(file_hash, paths)), self.classes, prompt, place, seed)
        return hashlib.sha256(repr(decided_by).encode()).hexdigest()

    @cached_property
    def network(self) -> JointNetwork:
        """The network, ready to run."""
        name, checkpoint = self._files.network, self._files.checkpoint
        if checkpoint is None:
            logger.warning("random weights of %s: what is found is meaningless", name)
        found = load_network(name, checkpoint, self._settings.seed)
        return found.to(self._device, self._dtype)

    @cached_property
    def _texts(self) -> ClassTexts:
        """The classes in the space of the network, made once and kept."""
        path = self._cache / f"{self._files.network}_{self.made_by[:16]}.npz"
        try:
            with np.load(path) as kept:
                return ClassTexts(kept["vectors"], float(kept["scale"]))
        except (OSError, ValueError, EOFError, KeyError):
            pass
        texts = [PROMPTS[self._files.network].format(name) for name in self.classes]
        vectors = embedded(self.network, texts, self._tokenizer)
        found = ClassTexts(vectors, cosine_scale(self.network))
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(file, vectors=found.vectors, scale=found.scale)
        return found

    def _scored(self, embedding: Vectors) -> Scored:
        vectors, scale = self._texts
        return Scored(embedding, softmax(scale * embedding @ vectors.T).astype(np.float32))


class ClapSeconds(JointSeconds):
    """CLAP: each second of the sound alone, repeated to the ten seconds that the network takes.

    Attributes:
        sample_rate: of the sound that it takes, in Hz.
    """

    sample_rate = SAMPLE_RATE

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of AudioSet's classes, as texts have them."""
        return AUDIOSET_NAMES

    def score(self, waveform: Vectors, seconds: int) -> Iterator[Scored]:
        """Yield the seconds of a sound, beyond which there is silence."""
        assert isinstance(self.network, Clap)
        for first in range(0, seconds, BATCH_SIZE):
            numbers = range(first, min(first + BATCH_SIZE, seconds))
            mels = [log_mel(interval_sound(waveform, k, k + 1)) for k in numbers]
            vectors = sound_embeddings(self.network, _padded(mels))
            yield self._scored(vectors[: len(mels)])


class ClipSeconds(JointSeconds):
    """CLIP: the frame in the middle of each second, as a square."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of ImageNet's classes."""
        return tuple(imagenet_classes())

    def score(self, path: Path, rows: pd.DataFrame) -> Iterator[Scored]:
        """Yield the intervals of a video, rows of the interval table."""
        assert isinstance(self.network, Clip)
        (numbers, numbering), size = middle_frames(path, rows), self.network.sizes.image_size

        def see(frame: Frame) -> Tensor:
            """Return a frame as the network takes it, smoothed as its training images were."""
            return clip_input([frame], size=size, antialias=True)[0]

        reader = ClipReader(path, "decoded", see, numbers[:, None], numbering)
        # A frame that is shown again is the same object, which is not looked at again.
        distinct = (list(group) for _, group in itertools.groupby((p for (p,) in reader), key=id))
        for groups in prefetched(_batches(distinct)):
            vectors = self._embed(_padded([group[0] for group in groups]))[: len(groups)]
            yield self._scored(vectors.repeat([len(group) for group in groups], axis=0))

    @torch.inference_mode()
    def _embed(self, images: Tensor) -> Vectors:
        assert isinstance(self.network, Clip)
        found = self.network.image_embeddings(images.to(self._device, self._dtype))
        return np.asarray(found.float().cpu().numpy())


def _padded(inputs: list[Tensor]) -> Tensor:
    """Return a batch of BATCH_SIZE, padded by its last input."""
    return torch.stack(inputs + inputs[-1:] * (BATCH_SIZE - len(inputs)))


def _batches(groups: Iterator[list[Tensor]]) -> Iterator[list[list[Tensor]]]:
    while batch := list(itertools.islice(groups, BATCH_SIZE)):
        yield batch
