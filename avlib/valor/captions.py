"""What CLIP is told of the classes of LLP, one caption a class.

Source: Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser" (VALOR), NeurIPS 2023, and its published code. The captions keep the spelling under which
the published labels were made; their tokens are those of CLIP's own byte-pair encoding.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.errors import ConfigError
from avlib.io.text_tokens import TOKENIZER_FILES, tokenise

POSITIONS = 77
START, END = 49_406, 49_407
A_PHOTO_OF, A, PEOPLE, FULL_STOP = (320, 1125, 539), 320, 1047, 269

# Caption of each class, in the order of the classes: its end after `A photo of`, and the tokens.
ENDINGS: tuple[tuple[str, tuple[int, ...]], ...] = (
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
KNOWN = {
    f"A photo of {ending}.": (START, *A_PHOTO_OF, *tokens, FULL_STOP, END)
    for ending, tokens in ENDINGS
}
CAPTIONS = tuple(KNOWN)


def caption_tokens(
    captions: Sequence[str] = CAPTIONS, tokenizer: Path | None = None
) -> NDArray[np.int64]:
    """Return the tokens of captions, zeros after their ends: (N, POSITIONS).

    Args:
        captions: texts; those of the published labels need no tokenizer.
        tokenizer: folder with CLIP's `vocab.json` and `merges.txt`, for other texts.

    Raises:
        ConfigError: if there are other texts and no tokenizer.
        DataError: if the tokenizer cannot be read, or a caption is too long.
    """
    other = [caption for caption in captions if caption not in KNOWN]
    found: dict[str, Sequence[int]] = dict(KNOWN)
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
