"""Search in the results of a study, by words or by a moment, over what its networks have made."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlib.errors import ConfigError, DataError
from avlib.packages import MINILM, WEIGHTS
from avlib.tagging.archive import Leg, LegName, is_scored
from avlib.tagging.moments import Moment, search_like
from avlib.tagging.nearest_items import nearest_items
from avlib.tagging.search import EmbedWords, Found, search_words

if TYPE_CHECKING:
    from avlib.extractors.minilm.texts import SentenceEncoder

CONFIG = Path("config.yaml")
# Where studies have embeddings that texts are compared with; see `embedded_items`.
EMBEDDED = ("embeddings/*/*.h5", "labels.json", "features/cl[ai]p/index.parquet")


def search_study(
    folder: Path,
    words: str | None,
    like: Moment | None = None,
    *,
    top: int,
    overlays: Sequence[Path] = (),
) -> Found:
    """Return what words describe in a study, or the seconds that are like a moment.

    Embeddings that texts are compared with are searched where a study has them, else its scores.

    Args:
        folder: results of the study, `results/<study>`.
        words: what is heard or seen, in English.
        like: a moment, in place of words.
        top: how many items are found, at least 1.
        overlays: of `config.yaml`, which names weights and tokenizers of embeddings.

    Raises:
        ConfigError: if neither words nor a moment are given, or both, `top` is below 1, or the
            configuration does not fit the folder.
        DataError: if there is nothing to search in the folder, or not that moment.
    """
    if (words is None) == (like is None):
        raise ConfigError("give either words or like: words in quotes, or --like VIDEO@SECONDS")
    _check(folder, top)
    if like is not None:
        return search_like(folder, like, top)
    if not (words and words.strip()):
        raise DataError("no words to search for; say what is heard or seen")
    return _search_words(folder, words, top, overlays)


def _search_words(folder: Path, words: str, top: int, overlays: Sequence[Path]) -> Found:
    remark = ""
    if any(any(folder.glob(pattern)) for pattern in EMBEDDED):
        from avlib.embedded_items import embedded_items
        from avlib.studies import read_config  # with the library of configurations

        items, spaces, remarks = embedded_items(folder, words, read_config(CONFIG, overlays))
        remark = "; ".join(remarks)
        if spaces:
            return nearest_items(words, items, spaces, top, remark)
        if not is_scored(folder):
            raise ConfigError(remark)
    found = search_words(folder, words, _embed, _by_tower(folder, words, overlays), top)
    return replace(found, remark="; ".join(filter(None, (found.remark, remark))))


def _check(folder: Path, top: int) -> None:
    if top < 1:
        raise ConfigError(f"top: a number from 1 on, not {top}")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the results of a study, results/<study>")


@cache
def _sentences() -> "SentenceEncoder":
    from avlib.extractors.minilm.texts import SentenceEncoder

    return SentenceEncoder(WEIGHTS / MINILM)


def _embed(texts: Sequence[str]) -> NDArray[np.float32]:
    return _sentences().embed(texts)


def _by_tower(folder: Path, words: str, overlays: Sequence[Path]) -> EmbedWords:
    """Return what makes the vector of the words by the text tower of a leg."""

    def embed_words(leg: LegName, kind: Leg) -> NDArray[np.float32]:
        from avlib.embedded_items import text_tower_files
        from avlib.studies import read_config
        from avlib.tagging.text_towers import text_vectors  # imports torch

        files = text_tower_files(folder, leg, kind.network, read_config(CONFIG, overlays))
        assert files.tokenizer is not None
        return text_vectors(kind, [words], files.checkpoint, files.tokenizer)[0]

    return embed_words
