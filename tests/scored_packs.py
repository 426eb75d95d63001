"""Packs of made seconds for tests."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from avlib.tagging.archive import LEGS, Leg
from avlib.tagging.pack_writer import PackWriter

KINDS = {
    "sound": Leg("yamnet", "aa", ("Speech", "Dog", "Music"), 3),
    "picture": Leg("efficientnet_lite0", "bb", ("tench", "crane", "crane bird", "tabby"), 4),
}


def random_rows(leg: str, seconds: int, draw: np.random.Generator) -> tuple[Any, Any]:
    """Return scores and embeddings of so many seconds."""
    kind = KINDS[leg]
    scores = draw.integers(1, 255, size=(seconds, len(kind.classes)), dtype=np.uint8)
    return scores, draw.normal(size=(seconds, kind.channels)).astype(np.float16)


def write_packs(folder: Path, shards: list[Any], legs: Any = KINDS) -> None:
    """Write a pack a shard of {video_id: {leg: (scores, embedding)}}, two seconds at a time."""
    for shard, videos in enumerate(shards):
        path = folder / "seconds" / f"{shard}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            writer = PackWriter(file, legs, len(shards))
            for video_id, found in videos.items():
                for leg, (scores, embedding) in found.items():
                    for first in range(0, len(scores), 2):
                        part = slice(first, first + 2)
                        writer.add(leg, first, scores[part], embedding[part])
                seconds = max(len(scores) for scores, _ in found.values())
                writer.finish(video_id, seconds, "key", {leg: leg in found for leg in LEGS})
            writer.close()
