"""What CLAP is told of the classes of LLP, one text a class.

Source: Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser" (VALOR), NeurIPS 2023, and its published code.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.io.text_tokens import tokenise

POSITIONS = 77
PADDING = 1  # RoBERTa's token

# In the order of the classes.
SOUNDS = (
    "speech",
    "car",
    "cheering",
    "dog",
    "cat",
    "frying (food)",
    "basketball bounce",
    "fire alarm",
    "chainsaw",
    "cello",
    "banjo",
    "singing",
    "chicken, rooster",
    "violin fiddle",
    "vacuum cleaner",
    "baby laughter",
    "accordion",
    "lawn mower",
    "motorcycle",
    "helicopter",
    "acoustic guitar",
    "telephone bell ringing",
    "baby cry, infant cry",
    "blender",
    "clapping",
)
TEXTS = tuple(f"This is a sound of {sound}" for sound in SOUNDS)


def text_tokens(
    texts: Sequence[str], tokenizer: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tokens of texts and which of them are no padding: (N, POSITIONS) both.

    Args:
        texts: such as TEXTS.
        tokenizer: folder with the `vocab.json` and `merges.txt` of `roberta-base`.

    Raises:
        DataError: if the tokenizer cannot be read, or a text is too long.
    """
    rows = tokenise(texts, tokenizer, "RoBERTa", POSITIONS)
    tokens = np.full((len(rows), POSITIONS), PADDING, np.int64)
    for row, found in zip(tokens, rows, strict=True):
        row[: len(found)] = found
    lengths = np.array([len(row) for row in rows])
    return tokens, (np.arange(POSITIONS) < lengths[:, None]).astype(np.int64)
