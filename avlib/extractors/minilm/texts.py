"""Sentences to unit vectors, whose products are similarities of meaning. English only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from avlib.errors import CheckpointError
from avlib.extractors.minilm.network import WIDTH, MiniLM, weight_shapes
from avlib.extractors.minilm.weights import minilm_folder
from avlib.io.mapped_weights import mapped_weights

LONGEST = 256  # tokens of a text, [CLS] and [SEP] included; the file of the tokenizer says 128
BATCH_SIZE = 32
UNUSED = ("embeddings.position_ids", "pooler.")


class SentenceEncoder:
    """The network and its tokenizer.

    Args:
        folder: `weights/minilm`, or another copy of the published folder.

    Raises:
        CheckpointError: if a file is missing, cannot be read or does not fit.
    """

    def __init__(self, folder: Path) -> None:
        minilm_folder(folder)
        self._path, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
        self._network = MiniLM(mapped_weights(self._path, weight_shapes(), UNUSED))
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the package raises bare exceptions
            raise CheckpointError(f"{tokenizer}: not a readable tokenizer ({error})") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, at most LONGEST, without padding."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the unit vectors of texts: (N, WIDTH).

        Raises:
            CheckpointError: if weights are no numbers.
        """
        by_length: dict[int, list[int]] = {}  # texts of one length need no padding
        rows = self.tokens(texts)
        for number, row in enumerate(rows):
            by_length.setdefault(len(row), []).append(number)
        vectors = np.empty((len(rows), WIDTH), np.float32)
        for numbers in by_length.values():
            for first in range(0, len(numbers), BATCH_SIZE):
                batch = numbers[first : first + BATCH_SIZE]
                vectors[batch] = self._network(np.array([rows[number] for number in batch]))
        if not np.isfinite(vectors).all():
            raise CheckpointError(f"{self._path}: holds values that are no numbers")
        return vectors
