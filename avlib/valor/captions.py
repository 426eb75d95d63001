"""Captions of the classes of LLP, one per class for CLIP and for CLAP, and their tokens.

Source: Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser" (VALOR), NeurIPS 2023, and its published code. Misspelled words are kept, because the
published labels were made with them. The tokens of CLIP's captions are stored here, so that the
published captions need no tokenizer.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.errors import ConfigError
from avlib.io.text_tokens import TOKENIZER_FILES, tokenise

POSITIONS = 77  # of both text towers
START, END = 49_406, 49_407  # tokens of CLIP
A_PHOTO_OF, A, PEOPLE, FULL_STOP = (320, 1125, 539), 320, 1047, 269
PADDING_TOKEN = 1  # token of RoBERTa, CLAP's tokenizer

# By class: the end of the caption after `A photo of`, and its tokens.
_CLIP_ENDINGS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("people talking", (PEOPLE, 2578)),
    ("a car", (A, 1615)),
    ("people cheering", (PEOPLE, 14289)),
    ("a dog", (A, 1929)),
    ("a cat", (A, 2368)),
    ("frying food", (38516, 1559)),
    ("people playing basketball", (PEOPLE, 1629, 3835)),
    ("a fire alarm", (A, 1769, 11321)),
    ("a chainsaw", (A, 37617)),
    ("a cello", (A, 23013)),
    ("a banjo", (A, 27014)),
    ("people singing", (PEOPLE, 5864)),
    ("a chicken or a rooster", (A, 3717, 541, A, 30926)),
    ("a violin", (A, 17058)),
    ("a vaccum cleaner", (A, 3125, 27119, 15619)),
    ("a laughing baby", (A, 8301, 1794)),
    ("an accordion", (550, 48760)),
    ("a lawnmower", (A, 31675, 30895)),
    ("a motorcycle", (A, 10297)),
    ("a helicopter", (A, 11956)),
    ("a acoustic guiter", (A, 10616, 3759, 528)),
    ("a ringing telephone", (A, 26035, 17243)),
    ("a crying baby", (A, 6828, 1794)),
    ("a blender", (A, 25066)),
    ("hands clapping", (3500, 940, 1682)),
)
PUBLISHED_TOKENS = {
    f"A photo of {ending}.": (START, *A_PHOTO_OF, *tokens, FULL_STOP, END)
    for ending, tokens in _CLIP_ENDINGS
}
CLIP_CAPTIONS = tuple(PUBLISHED_TOKENS)

# By class: the end of the caption after `This is a sound of`.
_CLAP_ENDINGS = (
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
CLAP_CAPTIONS = tuple(f"This is a sound of {ending}" for ending in _CLAP_ENDINGS)


def clip_tokens(
    captions: Sequence[str] = CLIP_CAPTIONS, tokenizer: Path | None = None
) -> NDArray[np.int64]:
    """Return the tokens of captions for CLIP, zero-padded: (N, POSITIONS).

    Args:
        captions: N texts; the published ones need no tokenizer.
        tokenizer: folder with CLIP's `vocab.json` and `merges.txt`, for other captions.

    Raises:
        ConfigError: if there are other captions and no tokenizer.
        DataError: if the tokenizer cannot be read, or a caption is too long.
    """
    other = [caption for caption in captions if caption not in PUBLISHED_TOKENS]
    found: dict[str, Sequence[int]] = dict(PUBLISHED_TOKENS)
    if other:
        if tokenizer is None:
            raise ConfigError(
                f"the caption {other[0]!r} is none of the published ones; give the folder with "
                f"CLIP's {' and '.join(TOKENIZER_FILES)}"
            )
        found |= dict(zip(other, tokenise(other, tokenizer, "CLIP", POSITIONS), strict=True))
    tokens = np.zeros((len(captions), POSITIONS), np.int64)
    for row, caption in zip(tokens, captions, strict=True):
        row[: len(found[caption])] = found[caption]
    return tokens


def clap_tokens(
    captions: Sequence[str], tokenizer: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tokens of captions for CLAP, padded, and their attention mask: (N, POSITIONS).

    Args:
        captions: N texts, such as CLAP_CAPTIONS.
        tokenizer: folder with the `vocab.json` and `merges.txt` of `roberta-base`.

    Raises:
        DataError: if the tokenizer cannot be read, or a caption is too long.
    """
    rows = tokenise(captions, tokenizer, "RoBERTa", POSITIONS)
    tokens = np.full((len(rows), POSITIONS), PADDING_TOKEN, np.int64)
    for row, found in zip(tokens, rows, strict=True):
        row[: len(found)] = found
    lengths = np.array([len(row) for row in rows])
    return tokens, (np.arange(POSITIONS) < lengths[:, None]).astype(np.int64)
