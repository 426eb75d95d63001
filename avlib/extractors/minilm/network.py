"""MiniLM-L6, a BERT of six layers, without its pooler, on arrays.

Source: Wang et al., "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of
Pre-Trained Transformers", NeurIPS 2020, and Devlin et al., "BERT", NAACL 2019. Names and shapes of
the weights are those of sentence-transformers/all-MiniLM-L6-v2. Numpy runs it, so that a search
waits neither for torch nor for transformers, and needs none of their memory.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

WIDTH = 384
LAYERS = 6
HEADS = 12
FEEDFORWARD = 1536
VOCABULARY = 30_522
POSITIONS = 512
SEGMENTS = 2
EPS = 1e-12  # of layer norms, and of the length of a vector

Array = NDArray[np.float32]


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights by name."""
    linear = {
        "attention.self.query": (WIDTH, WIDTH),
        "attention.self.key": (WIDTH, WIDTH),
        "attention.self.value": (WIDTH, WIDTH),
        "attention.output.dense": (WIDTH, WIDTH),
        "intermediate.dense": (FEEDFORWARD, WIDTH),
        "output.dense": (WIDTH, FEEDFORWARD),
    }
    norms = {"attention.output.LayerNorm": (WIDTH,), "output.LayerNorm": (WIDTH,)}
    modules: dict[str, tuple[int, ...]] = {"embeddings.LayerNorm": (WIDTH,)}
    for i in range(LAYERS):
        modules |= {f"encoder.layer.{i}.{n}": shape for n, shape in (linear | norms).items()}
    tables = {"word": VOCABULARY, "position": POSITIONS, "token_type": SEGMENTS}
    return {
        **{f"embeddings.{name}_embeddings.weight": (n, WIDTH) for name, n in tables.items()},
        **{f"{name}.weight": shape for name, shape in modules.items()},
        **{f"{name}.bias": shape[:1] for name, shape in modules.items()},
    }


class MiniLM:
    """The whole network.

    Args:
        weights: arrays by name, of the shapes of `weight_shapes`.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights

    def __call__(self, tokens: NDArray[np.int64]) -> Array:
        """Return unit vectors (B, WIDTH), means over the tokens of each text.

        Args:
            tokens: (B, L) of texts of one length, L up to POSITIONS.
        """
        tables = (self._weights[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position"))
        words, positions = tables
        segment = self._weights["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(words[tokens] + segment + positions[: tokens.shape[1]], "embeddings")
        for number in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{number}")
        mean: Array = x.mean(axis=1)  # (B, WIDTH)
        return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), EPS)

    def _layer(self, x: Array, name: str) -> Array:
        attended = self._linear(
            self._attention(x, f"{name}.attention.self"), f"{name}.attention.output.dense"
        )
        x = self._norm(attended + x, f"{name}.attention.output")
        hidden = _gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(self._linear(hidden, f"{name}.output.dense") + x, f"{name}.output")

    def _attention(self, x: Array, name: str) -> Array:
        """Return what each token takes from all tokens of its text, before the projection."""
        b, n, _ = x.shape
        parts = (self._linear(x, f"{name}.{part}") for part in ("query", "key", "value"))
        q, k, v = (part.reshape(b, n, HEADS, -1).swapaxes(1, 2) for part in parts)
        scores = q @ k.swapaxes(2, 3) / np.sqrt(np.float32(q.shape[-1]))  # (B, HEADS, L, L)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.ascontiguousarray((weights @ v).swapaxes(1, 2)).reshape(b, n, WIDTH)

    def _linear(self, x: Array, name: str) -> Array:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        flat: Array = x.reshape(-1, x.shape[-1]) @ weight.T + bias  # one product for all texts
        return flat.reshape(*x.shape[:-1], -1)

    def _norm(self, x: Array, name: str) -> Array:
        weight, bias = (self._weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + EPS)
        return np.asarray(centred / deviation * weight + bias)


def _gelu(x: Array) -> Array:
    return np.asarray(x * (erf(x / np.float32(np.sqrt(2))) + 1) / 2)
