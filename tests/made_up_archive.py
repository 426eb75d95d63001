"""A small study with scored seconds: two kinds of things that are heard, and seen."""

import h5py
import numpy as np
import pandas as pd

from avlib.io.tables import write_table
from avlib.media.tables import MANIFEST
from avlib.tagging.archive import LEGS, Leg
from avlib.tagging.pack_writer import PackWriter
from avlib.tagging.scores import encoded

SOUNDS = ("Speech", "Dog bark", "Running water", "Church bell", "Guitar", "Engine", "Wind", "Rain")
PICTURES = ("terrier dog", "sink with water", "church", "electric guitar", "sports car", "lakeside")
KINDS = {
    "sound": Leg("yamnet", "aa", SOUNDS, 16),
    "picture": Leg("efficientnet_lite0", "bb", PICTURES, 12),
}
# What is heard and seen in seconds [4, 8) of every video: numbers of classes.
HELD = {"dog": (1, 0), "sink": (2, 1), "deaf": (None, 2), "blind": (3, None)}


def leg_rows(rng, kind, seconds, held, places):
    """Return scores and embeddings of a leg; those of one class are like each other."""
    probs = rng.uniform(0, 0.02, (seconds, len(kind.classes)))
    probs[4:8, held] = rng.uniform(0.7, 0.9, 4)
    embedding = rng.normal(size=(seconds, kind.channels))
    embedding[4:8] = places[held] + 0.1 * rng.normal(size=(4, kind.channels))
    return encoded(probs), embedding.astype(np.float16)


def write_study(folder, seconds=40, copies=2, kinds=KINDS):
    """Write the packs of a study of two shards, and their manifests."""
    rng = np.random.default_rng(0)
    places = {leg: 3 * rng.normal(size=(len(k.classes), k.channels)) for leg, k in KINDS.items()}
    ids = [f"{name} {copy}" for name in HELD for copy in range(copies)]
    (folder / "seconds").mkdir(parents=True)
    for shard in range(2):
        own = ids[shard::2]
        with h5py.File(folder / "seconds" / f"{shard}.h5", "w") as file:
            writer = PackWriter(file, kinds, 2)
            for video_id in own:
                held = dict(zip(LEGS, HELD[video_id.split()[0]], strict=True))
                for leg in [leg for leg in LEGS if held[leg] is not None]:
                    rows = leg_rows(rng, KINDS[leg], seconds, held[leg], places[leg])
                    writer.add(leg, 0, *rows)
                writer.finish(video_id, seconds, "", {leg: held[leg] is not None for leg in LEGS})
            writer.close()
        rows = {column.name: None for column in MANIFEST.columns}
        rows |= {"split": "test", "status": "ok", "message": ""}
        table = pd.DataFrame([rows | {"video_id": v, "path": f"videos/{v}.mp4"} for v in own])
        table["duration_s"] = [None if v.startswith("blind") else float(seconds) for v in own]
        write_table(table, folder / "seconds" / f"{shard}.parquet", MANIFEST)


def embed_words(texts):
    """Return unit vectors of texts that share a direction for each word they share."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            vectors[row] += np.random.default_rng(list(word.encode())).normal(size=64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
