"""Files of a tiny study of labelled soundtracks, as the stages of sound leave them."""

import json

import h5py
import numpy as np
import pandas as pd

from avlib.io.tables import write_table
from avlib.media.tables import MANIFEST
from avlib.soundtracks.clips import ImageFiles
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.tables import AUDIO_IMAGES, LABELLED_FILES

CLASSES = ["low", "high"]
SHARDS = 2


def labelled_files(n=8, *, n_val=2, n_test=2, folds=None):
    """Labelled files of two classes in turn; those of `test` last, those of `val` before."""
    splits = ["train"] * (n - n_val - n_test) + ["val"] * n_val + ["test"] * n_test
    return pd.DataFrame(
        {
            "video_id": [f"video{i}" for i in range(n)],
            "split": splits,
            "path": [f"/videos/video{i}.mp4" for i in range(n)],
            "label": [CLASSES[i % 2] for i in range(n)],
            "class_id": [i % 2 for i in range(n)],
            "fold": folds,
        }
    )


def write_labels(folder, files, classes=CLASSES):
    """Write the table of labelled files and the names of the classes."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(files, folder / "labels.parquet", LABELLED_FILES)
    (folder / "classes.json").write_text(json.dumps({"class_id": classes}))
    return Labels(folder / "labels.parquet", folder / "classes.json")


def write_images(folder, files, clips=3, **of_videos):
    """Write packs and tables of audio images: noise with a loud low band, or a high one.

    `of_videos` gives other numbers of clips, or the status of a video that has no sound.
    """
    counts = {video_id: of_videos.get(video_id, clips) for video_id in files["video_id"]}
    packs = [folder / f"{shard}.h5" for shard in range(SHARDS)]
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for shard, path in enumerate(packs):
        rows = []
        with h5py.File(path, "w") as pack:
            pack.attrs["rate_hz"] = 44_100
            for row in files[shard::SHARDS].itertuples():
                found = counts[row.video_id]
                n_clips = found if isinstance(found, int) else 0
                status = found if isinstance(found, str) else "ok" if found else "too_short"
                if isinstance(found, int):
                    images = -60 + 8 * rng.standard_normal((n_clips, 64, 96))
                    band = slice(40, 48) if row.class_id else slice(8, 16)
                    images[:, band] += 50
                    pack[row.video_id] = np.clip(images, -80, 0).astype(np.float32)
                rows.append(
                    {
                        "video_id": row.video_id,
                        "split": row.split,
                        "clips": n_clips,
                        "silent_clips": 0,
                        "rate_hz": 44_100,
                        "status": status,
                        "message": "" if status == "ok" else f"what is {status}",
                    }
                )
        write_table(pd.DataFrame(rows), path.with_suffix(".parquet"), AUDIO_IMAGES)
    return ImageFiles(packs, [path.with_suffix(".parquet") for path in packs])


def write_manifest(path, files, **statuses):
    """Write a manifest of the files; `statuses` are those of bad ones."""
    empty = {column.name: None for column in MANIFEST.columns}
    rows = []
    for row in files.itertuples():
        status = statuses.get(row.video_id, "ok")
        told = {"status": status, "message": "" if status == "ok" else f"what is {status}"}
        rows.append(empty | {"video_id": row.video_id, "split": row.split, "path": row.path} | told)
    write_table(pd.DataFrame(rows), path, MANIFEST)
    return path
