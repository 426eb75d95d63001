"""Random generators derived from one seed and the name of the item they serve."""

import hashlib
import json

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """Return the generator of the item `key` under `seed`.

    Each item has its own stream, so draws do not depend on order, batches or workers.
    """
    name = json.dumps([seed, *key]).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name).digest(), "big"))
