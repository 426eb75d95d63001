"""Audio images in the folders of the original, one `.npy` file an image: export and import.

An image is `<root>/<split>/<class>/<name>.wav/<prefix>_<number>.npy`, float32 (N_MELS, N_FRAMES),
numbered from 0; the folder has the name of the sound file. A soundtrack without a whole clip has
an empty folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.kinetics import SOUND_SUFFIX, image_prefix, windows_order
from avlib.datasets.splits import SPLITS
from avlib.errors import DataError
from avlib.io.atomic import atomic_path
from avlib.io.packs import ImageStore
from avlib.io.tables import write_table
from avlib.media.scan import shard_of
from avlib.media.videos import is_safe_id
from avlib.progress import progress
from avlib.soundtracks.image_packs import (
    TOO_SHORT,
    index_row,
    read_parts,
    write_attributes,
    write_images,
    write_index,
)
from avlib.soundtracks.mel import N_FRAMES, N_MELS, SAMPLE_RATE, Mel
from avlib.soundtracks.tables import LABELLED_FILES

NUMBER = re.compile(r"_(\d+)\.npy$")


def export_images(images: ImageStore, files: pd.DataFrame, target: Path) -> None:
    """Write the images of labelled files as the original has them, and its four lists.

    The lists are `datalists/<split>_audio_list.npy`, paths of images below `target`, and
    `<split>_label_list.npy`, their classes, in the order of a Windows folder listing.

    Args:
        images: packs of images; files that are not in them are left out.
        files: table of kind LABELLED_FILES; a sound folder has the name of the video id.
        target: folder to write into.

    Raises:
        DataError: if a class or a video id cannot be the name of a folder.
    """
    written: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    held = files[files["video_id"].isin([v for v in files["video_id"] if v in images])]
    rows = held.itertuples(index=False)
    for row in progress(rows, "exporting audio images", "soundtracks", total=len(held)):
        if not (is_safe_id(row.label) and is_safe_id(row.video_id)):
            raise DataError(f"{row.label!r} / {row.video_id!r} cannot be the names of folders")
        sound = f"{row.video_id}{SOUND_SUFFIX}"
        (target / row.split / row.label / sound).mkdir(parents=True, exist_ok=True)
        listed = written.setdefault(row.split, [])
        for number, image in enumerate(_images(images[row.video_id])):
            parts = (row.split, row.label, sound, f"{image_prefix(sound)}_{number}.npy")
            _save(image.astype(np.float32), target.joinpath(*parts))
            listed.append((parts, row.class_id))
    for split, listed in written.items():
        order = windows_order([parts for parts, _ in listed])
        paths = np.array(["/".join(listed[i][0]) for i in order], dtype=str)
        labels = np.array([listed[i][1] for i in order], dtype=np.int64)
        _save(paths, target / "datalists" / f"{split}_audio_list.npy")
        _save(labels, target / "datalists" / f"{split}_label_list.npy")


def import_images(root: Path, *, shards: int, mel: Mel, folder: Path, files_target: Path) -> None:
    """Pack the images in folders of the original, labelled by their class folders.

    A soundtrack whose images are damaged or incomplete has none, and its row says why.

    Args:
        root: folder of the splits.
        shards: number of packs; the hash of a soundtrack's name chooses one.
        mel: how the images were made, as far as it is known, and the type to store.
        folder: where `<shard>.h5` and `<shard>.parquet`, a table of kind AUDIO_IMAGES, go.
        files_target: table of kind LABELLED_FILES to write; numbers of classes follow the sorted
            names.

    Raises:
        DataError: if there are no such folders, or two have one name.
    """
    files = _sound_folders(root)
    shard = files["video_id"].map(lambda video_id: shard_of(video_id, shards))
    for number in range(shards):
        target = folder / f"{number}.h5"
        with atomic_path(target) as partial, h5py.File(partial, "w") as pack:
            write_attributes(pack, mel, sample_rate=SAMPLE_RATE)
            rows = files[shard == number]
            listed = progress(
                rows.itertuples(index=False), f"packing {target}", "soundtracks", total=len(rows)
            )
            index = [_pack_folder(row, pack, mel.dtype) for row in listed]
        write_index(index, folder / f"{number}.parquet")
    write_table(files, files_target, LABELLED_FILES)


def _images(dataset: h5py.Dataset) -> Iterator[NDArray[np.floating]]:
    for part in read_parts(dataset):
        yield from part


def _save(array: NDArray[Any], target: Path) -> None:
    with atomic_path(target) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _sound_folders(root: Path) -> pd.DataFrame:
    """Return the folders of soundtracks as a table of kind LABELLED_FILES."""
    found = [
        (path.name.removesuffix(SOUND_SUFFIX), split, str(path), path.parent.name)
        for split in SPLITS
        for path in sorted((root / split).glob(f"*/*{SOUND_SUFFIX}"))
        if path.is_dir()
    ]
    if not found:
        raise DataError(f"{root}: no folder <split>/<class>/<name>{SOUND_SUFFIX} of images")
    files = pd.DataFrame(found, columns=["video_id", "split", "path", "label"])
    repeated = files[files["video_id"].duplicated(keep=False)]
    if len(repeated):
        first, second = repeated.sort_values("video_id", kind="stable")["path"].iloc[:2]
        raise DataError(f"{first} and {second} have one name; rename one")
    numbers = {label: number for number, label in enumerate(sorted(set(files["label"])))}
    return files.assign(class_id=files["label"].map(numbers), fold=None)


def _pack_folder(row: Any, pack: h5py.File, dtype: str) -> dict[str, Any]:
    """Add the images of a folder to the pack; return its row of the index."""
    name = row.video_id
    try:
        paths = _numbered(Path(row.path))
        images = (_load(path)[None] for path in paths)
        silent = write_images(pack, name, len(paths), images, dtype)
    except DataError as error:
        if name in pack:
            del pack[name]
        return index_row(name, row.split, status="unreadable", message=str(error))
    fault = {} if paths else {"status": "too_short", "message": TOO_SHORT}
    found = {"clips": len(paths), "silent_clips": silent, "rate_hz": SAMPLE_RATE}
    return index_row(name, row.split, **found, **fault)


def _numbered(folder: Path) -> list[Path]:
    """Return the images of a folder in the order of their numbers.

    Raises:
        DataError: if a number is missing or occurs twice.
    """
    numbered = sorted(
        (int(found[1]), path)
        for path in folder.iterdir()
        if (found := NUMBER.search(path.name)) and not path.name.startswith(".")
    )
    for expected, (number, path) in enumerate(numbered):
        if number != expected:
            raise DataError(f"{folder}: image {expected} is missing or repeated, at {path.name}")
    return [path for _, path in numbered]


def _load(path: Path) -> NDArray[np.float32]:
    try:
        with path.open("rb") as file:
            image = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable array ({error})") from error
    if image.shape != (N_MELS, N_FRAMES) or not np.issubdtype(image.dtype, np.floating):
        raise DataError(f"{path}: {image.dtype} {image.shape}, expected ({N_MELS}, {N_FRAMES})")
    if not np.isfinite(image).all():
        raise DataError(f"{path}: holds values that are not finite")
    return np.asarray(image, np.float32)
