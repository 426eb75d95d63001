"""Texts as embeddings of CLAP and CLIP, in the space of their embeddings of seconds.

A second and a text are as near as the cosine of their embeddings; the network was trained with a
softmax over cosines times a scale of its own.

Source: Wu et al., ICASSP 2023 (CLAP); Radford et al., ICML 2021 (CLIP).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.clap.network import HTSAT_TINY, Clap
from avlib.extractors.clap.weights import load_clap, untrained_clap
from avlib.extractors.clip.network import VIT_L_14, Clip
from avlib.extractors.clip.weights import load_clip, untrained_clip
from avlib.io.hashes import weights_hash
from avlib.io.text_tokens import Encoding, padded, tokenise
from avlib.tagging.archive import Leg
from avlib.tagging.words import LabelVectors

ENCODINGS: Mapping[str, Encoding] = {"clap": "RoBERTa", "clip": "CLIP"}
# What a class is called in a text; those of the papers.
PROMPTS = {"clap": "This is a sound of {}.", "clip": "a photo of a {}."}
# What else a second may hold, in broad words: a label is probable where it is nearer than they are.
OTHERS = {
    "clap": ("silence", "noise", "a person", "an animal", "music", "a machine", "wind and water"),
    "clip": ("nothing", "a person", "an animal", "a plant", "a room", "a landscape", "a vehicle"),
}
UNTRAINED = "untrained, seed "  # in place of the hash of random weights
BATCH_SIZE = 16  # texts
POSITION_OFFSET = 2  # positions of RoBERTa's table that no token has
FILLER = 1  # token of RoBERTa that stands for padding; no text that is embedded has any

Vectors = NDArray[np.float32]
JointNetwork = Clap | Clip


def text_vectors(
    kind: Leg, texts: Sequence[str], checkpoint: Path | None, tokenizer: Path
) -> Vectors:
    """Return the unit vectors (N, D) of texts in the space of a leg's embeddings.

    Args:
        kind: a leg whose network takes texts, as its archive has it.
        texts: in English; each is taken as it is, and cut to what the network takes.
        checkpoint: weights of its network; None: random ones.
        tokenizer: folder of `vocab.json` and `merges.txt` of the network.

    Raises:
        CheckpointError: if the weights cannot be read.
        DataError: if they are others than the seconds were scored by, or the tokenizer cannot be
            read.
    """
    is_random = kind.weights.startswith(UNTRAINED)
    seed = int(kind.weights.removeprefix(UNTRAINED)) if is_random else 0
    if weights_name(checkpoint, seed) != kind.weights:
        raise DataError(
            f"{checkpoint or 'untrained'}: not the weights of {kind.network} that the seconds were "
            "scored by; name those, or run the study again"
        )
    return embedded(load_network(kind.network, checkpoint, seed), texts, tokenizer)


def weights_name(checkpoint: Path | None, seed: int) -> str:
    """Return what stands for weights in an archive: their SHA-256, or the seed of random ones."""
    return f"{UNTRAINED}{seed}" if checkpoint is None else weights_hash(checkpoint)


def load_network(name: str, checkpoint: Path | None, seed: int) -> JointNetwork:
    """Return a network, in evaluation mode.

    Args:
        name: clap or clip.
        checkpoint: its weights; None: random ones, of the size that is published.
        seed: of random weights.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    if name == "clap":
        clap = load_clap(checkpoint) if checkpoint else untrained_clap(HTSAT_TINY, seed)
        return clap.eval()
    clip = load_clip(checkpoint) if checkpoint else untrained_clip(VIT_L_14, seed)
    return clip.eval()


def cosine_scale(network: JointNetwork) -> float:
    """Return the factor of cosines whose softmax the network was trained with."""
    model: Any = network.model
    scale = model.logit_scale_a if isinstance(network, Clap) else model.logit_scale
    return float(scale.detach().float().exp())


@torch.inference_mode()
def embedded(network: JointNetwork, texts: Sequence[str], tokenizer: Path) -> Vectors:
    """Return the unit vectors (N, D) of texts.

    Raises:
        DataError: if the tokenizer cannot be read, or is another network's.
    """
    name, longest = "clip", network.sizes.positions
    if isinstance(network, Clap):
        name, longest = "clap", longest - POSITION_OFFSET
    rows = tokenise(texts, tokenizer, ENCODINGS[name], longest, cuts=True)
    if max(map(max, rows)) >= network.sizes.vocabulary:
        raise DataError(
            f"{tokenizer}: has more tokens than the {network.sizes.vocabulary} of the network; "
            f"name the tokenizer that {name} was trained with"
        )
    # Texts of one length need no padding.
    by_length: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(number)
    vectors = np.empty((len(texts), network.sizes.embedding), np.float32)
    for numbers in by_length.values():
        for first in range(0, len(numbers), BATCH_SIZE):
            batch = numbers[first : first + BATCH_SIZE]
            vectors[batch] = _embed(network, [rows[number] for number in batch])
    return vectors


def _embed(network: JointNetwork, rows: Sequence[Sequence[int]]) -> Vectors:
    """Return the unit vectors of texts of one length."""
    place = next(network.parameters()).device
    tokens, mask = (torch.from_numpy(array).to(place) for array in padded(rows, FILLER))
    if isinstance(network, Clap):
        found = network.text_embeddings(tokens, mask)
    else:
        found = network.text_embeddings(tokens)
    return np.asarray(found.float().cpu().numpy())


def label_vectors(
    kind: Leg, labels: Sequence[str], checkpoint: Path | None, tokenizer: Path
) -> LabelVectors:
    """Return labels as the text tower of a leg understands them; as `text_vectors`."""
    torch.set_num_threads(1)  # another number gives other last bits
    others = OTHERS[kind.network]
    vectors = text_vectors(kind, [*labels, *others], checkpoint, tokenizer)
    return LabelVectors(vectors[: len(labels)], vectors[len(labels) :], kind.scale)
