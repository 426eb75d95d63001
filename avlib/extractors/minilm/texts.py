"""Sentences to unit vectors, whose products are similarities of meaning. English only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from avlib.errors import CheckpointError
from avlib.extractors.minilm.network import WIDTH, MiniLM
from avlib.extractors.minilm.weights import minilm_folder
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.renaming import without_weights
from avlib.io.text_tokens import padded

LONGEST = 256  # tokens of a text, [CLS] and [SEP] included; the file of the tokenizer says 128
FILLER = 0  # token that stands for padding
BATCH_SIZE = 32
UNUSED = ("embeddings.position_ids", "pooler.")


class SentenceEncoder:
    """The network and its tokenizer, on the CPU.

    Args:
        folder: `weights/minilm`, or another copy of the published folder.

    Raises:
        CheckpointError: if a file is missing, cannot be read or does not fit.
    """

    def __init__(self, folder: Path) -> None:
        minilm_folder(folder)
        path, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
        state = load_state_dict(path)
        used = {name: t for name, t in state.items() if not name.startswith(UNUSED)}
        self._network = without_weights(MiniLM)
        fit_state_dict(self._network, used, path)
        self._network.eval()
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the package raises bare exceptions
            raise CheckpointError(f"{tokenizer}: not a readable tokenizer ({error})") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, at most LONGEST, without padding."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the unit vectors of texts: (N, WIDTH)."""
        rows = self.tokens(texts)
        vectors = np.empty((len(rows), WIDTH), np.float32)
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        for first in range(0, len(rows), BATCH_SIZE):
            batch = order[first : first + BATCH_SIZE]
            tokens, is_token = padded([rows[number] for number in batch], FILLER)
            inputs = torch.from_numpy(tokens), torch.from_numpy(is_token).bool()
            vectors[batch] = self._network(*inputs).numpy()
        return vectors
