"""Words as LLP's teachers understand them: captions of the form that its labels come from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.llp import CLASSES
from avlib.valor.captions import clap_tokens, clip_tokens

Modality = Literal["audio", "visual"]
AUDIO_PROMPT, VISUAL_PROMPT = "This is a sound of {}", "A photo of {}."  # of the published captions


def captions_of(words: str, audio: Sequence[str], visual: Sequence[str]) -> dict[Modality, str]:
    """Return the caption of words for each teacher.

    Args:
        words: what is looked for; a class by its name, or by the words of one of its captions, has
            the captions of the class.
        audio: captions of all classes for CLAP.
        visual: the same for CLIP.
    """
    asked = AUDIO_PROMPT.format(words), VISUAL_PROMPT.format(words)
    for name, *own in zip(CLASSES, audio, visual, strict=True):
        if words.casefold() == name.replace("_", " ").casefold() or {*asked} & {*own}:
            return {"audio": own[0], "visual": own[1]}
    return {"audio": asked[0], "visual": asked[1]}


def caption_vector(
    modality: Modality, caption: str, checkpoint: Path, tokenizer: Path | None
) -> NDArray[np.float32]:
    """Return the unit vector (D,) of a caption in the space of a teacher's features.

    Args:
        modality: audio for CLAP, visual for CLIP.
        caption: the text.
        checkpoint: weights.
        tokenizer: folder of `vocab.json` and `merges.txt`; the published captions of CLIP need
            none.

    Raises:
        CheckpointError: if the weights do not fit.
        ConfigError: if a tokenizer is needed and not given.
        DataError: if the tokenizer cannot be read, or the caption is too long.
    """
    import torch

    from avlib.extractors.clap import embeddings as clap
    from avlib.extractors.clip import embeddings as clip
    from avlib.extractors.clip.weights import load_clip

    if modality == "visual":
        tokens = clip_tokens([caption], tokenizer)
        return clip.text_embeddings(load_clip(checkpoint), tokens)[0]
    assert tokenizer is not None
    network = clap.open_clap(checkpoint, "transformers", torch.device("cpu"))
    return clap.text_embeddings(network, *clap_tokens([caption], tokenizer))[0]
