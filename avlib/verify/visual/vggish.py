"""Golden cases of VGGish: patches of a recording, embeddings, their 8-bit form.

The parameters of the 8-bit form are the public ones of the repository tensorflow/models
(Apache-2.0), in the file beside this one.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.extractors.vggish.network import EMBEDDING, VGGish
from avlib.extractors.vggish.patches import embed, patches, quantise, read_pca, second_patches
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import described_input, fill_by_rule, rule_wave
from avlib.verify.tolerance import NUMBER, Tolerance

PCA = Path(__file__).with_name("vggish_pca_params.npz")
BATCH_SIZE = 16


def vggish(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare patches, embeddings and their 8-bit form, whichever of them the case has."""
    c, wave, golden = case.content, case.content["wave"], case.own_arrays()
    name = wave.get("name", case.id)
    sound = rule_wave(wave["kind"], wave["n"], wave["sr"], name, wave["seed"])
    results: dict[str, NDArray[Any]] = {"examples": patches(sound.astype(np.float64), wave["sr"])}
    if "per_second" in golden:
        results["per_second"] = second_patches(sound, wave["sr"])
    if "embedding" in golden:
        network = _network(c["fill_seed"], numerics)
        parts = embed(network, results["examples"], BATCH_SIZE)
        results["embedding"] = np.concatenate([np.empty((0, EMBEDDING), np.float32), *parts])
    if "pca_uint8" in golden:
        results["pca_uint8"] = quantise(described_input(c["pca_input"]), read_pca(PCA))
    for array, values in golden.items():
        yield compare(array, results[array], values, _tolerance(case, array, values))
    for array in ("examples", "per_second"):
        if array in c and array in results:
            yield compare_exactly(f"{array} shape", list(results[array].shape), c[array])
    if "embedding" in results:
        tolerance = _tolerance(case, "embedding", golden["embedding"])
        largest = {"embedding_absmax": np.abs(results["embedding"]).max(initial=0.0)}
        yield from case.compare_noted(largest, tolerance)


@lru_cache(maxsize=1)  # the cases of a file share their weights
def _network(seed: int, numerics: Numerics) -> VGGish:
    network = VGGish(width=64, hidden=4096).eval()
    fill_by_rule(network, seed)
    return network.to(numerics.device, numerics.dtype)


def _tolerance(case: Case, array: str, golden: NDArray[Any]) -> Tolerance:
    """Read `examples 1e-5 (1e-3 where resampled); embedding 1e-5 of its maximum; ... +-1`."""
    name = "examples" if array == "per_second" else array
    text = case.content.get("tolerance", case.sidecar.get("tolerance"))
    clauses = text.split(";") if isinstance(text, str) else []
    clause = next((part for part in clauses if part.strip().startswith(f"{name} ")), None)
    if clause is None:
        return case.tolerance(array, name)
    resampled = re.search(rf"\({NUMBER} where resampled\)", clause)
    if resampled and case.content.get("resampled_with_resampy"):
        return Tolerance(float(resampled[1]), 0.0)
    steps = re.search(r"\+-(\d+)", clause)
    if steps:
        return Tolerance(float(steps[1]), 0.0)
    size = float(re.findall(NUMBER, clause.replace(name, ""))[0])
    largest = float(np.abs(golden).max(initial=0.0))
    return Tolerance(size * largest if "of its maximum" in clause else size, 0.0)


def weights(entry: Sequence[Any]) -> dict[str, list[int]]:
    """Return names and shapes of the network of these (name, shape, type) rows."""
    given = {name: shape for name, shape, _ in entry}
    with torch.device("meta"):
        network = VGGish(
            width=given["features.0.weight"][0], hidden=given["embeddings.0.weight"][0]
        )
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
