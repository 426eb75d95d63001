"""The network of a stage that embeds clips or texts: weights, settings, device, provenance."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from avlib.device import resolve_device
from avlib.extractors.embedding import TextEncoder, TextFiles, Vectors
from avlib.extractors.extraction import NetworkSettings
from avlib.extractors.weights import allow_tf32
from avlib.io.hashes import weights_hash
from avlib.io.provenance import code_fingerprint
from avlib.io.text_tokens import Encoding, tokenise


class TextNetwork(Protocol):
    """A network with a text tower."""

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return embeddings (N, embedding) of texts."""


Network = TypeVar("Network", bound=TextNetwork)
Settings = TypeVar("Settings", bound=NetworkSettings)


class LoadedNetwork(ABC, Generic[Settings, Network]):
    """The network of a checkpoint, read when it is first needed, and what it decides.

    Args:
        checkpoint: its weights.
        settings: what decides the bytes of embeddings, beside clips or texts.

    Attributes:
        module: of the encoder; its code decides the bytes, too.
        libraries: versions of the packages whose inputs the network sees.
    """

    module: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, checkpoint: Path, settings: Settings) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.device = resolve_device(settings.device)
        self.dtype = getattr(torch, settings.dtype)
        allow_tf32(settings.allow_tf32)

    @cached_property
    def made_by(self) -> str:
        """Everything that decides the bytes of a row, beside the clip or text."""
        own, code = astuple(self.deciding()), code_fingerprint(self.module)
        weights = weights_hash(self.checkpoint)
        return repr((own, weights, code, str(self.device), self.libraries))

    def deciding(self) -> Settings:
        """Return the settings without those that decide nothing, or are part of the content."""
        return replace(self.settings, seed=0)

    @cached_property
    def network(self) -> Network:
        """The network, ready to run."""
        with torch.inference_mode(False):  # weights that are made in it give other last bits
            return self.load()

    @abstractmethod
    def load(self) -> Network:
        """Return the network of the checkpoint, on the device and in the precision it runs in.

        Raises:
            CheckpointError: if the file cannot be read or does not fit.
        """


class TokenEncoder(LoadedNetwork[Settings, Network], TextEncoder):
    """Base of the encoders of texts.

    Args:
        files: inputs and outputs.
        settings: of the encoder.

    Attributes:
        encoding: whose the files of the tokenizer are.
    """

    encoding: ClassVar[Encoding]

    def __init__(self, files: TextFiles, settings: Settings) -> None:
        super().__init__(files.checkpoint, settings)
        self.tokenizer = files.tokenizer

    @property
    @abstractmethod
    def longest(self) -> int:
        """Tokens of a text that the network takes; the others are cut off."""

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts, as `TextEncoder.tokenise`."""
        return tokenise(texts, self.tokenizer, self.encoding, self.longest, cuts=True)

    @torch.inference_mode()
    def embed(self, token_ids: Tensor) -> Vectors:
        """Return the embeddings of texts, as `TextEncoder.embed`."""
        ids = token_ids.to(self.device)
        vectors = self.network.text_embeddings(ids, torch.ones_like(ids))
        return np.asarray(vectors.float().cpu().numpy())
