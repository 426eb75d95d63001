"""Features of LLP on disk, one `<video id>.npy` a video, published or extracted here.

Sources: the published features of Tian et al., ECCV 2020 (`feats`), and of Lai et al., "VALOR",
NeurIPS 2023 (`CLIP`, `CLAP`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.tables import FEATURES
from avlib.io.tables import read_table
from avlib.io.torn import torn

NAMES_SHOWN = 3
HEADER_BYTES = 128  # of a .npy file of numbers


@dataclass(frozen=True)
class FeatureKind:
    """A kind of feature.

    Attributes:
        folder: path in the published layout, relative to the data folder; empty if not published.
        rows: time steps, or cells of CLAP's map of an audio clip.
        width: number of channels of the published features.
    """

    folder: str
    rows: int
    width: int


FEATURE_KINDS = {
    "vggish": FeatureKind("feats/vggish", 10, 128),
    "res152": FeatureKind("feats/res152", 80, 2048),
    "r2plus1d_18": FeatureKind("feats/r2plus1d_18", 10, 512),
    "clip": FeatureKind("CLIP/features", 10, 768),
    "clap": FeatureKind("CLAP/features", 64, 768),
    "clap_segments": FeatureKind("", 10, 512),  # compared with captions by the audio teacher
}
# Published folders of the pseudo labels, by modality.
PSEUDO_LABELS = {"audio": "CLAP/segment_pseudo_labels", "visual": "CLIP/segment_pseudo_labels"}


def open_feature_folder(
    kind: str, folder: Path, video_ids: Sequence[str], tables: Sequence[Path]
) -> "FeatureFolder":
    """Return the features of the videos that have any.

    Args:
        kind: key of FEATURE_KINDS.
        folder: folder of `<video id>.npy` files.
        video_ids: requested videos.
        tables: tables of kind FEATURES, if the features were extracted here; a given folder has to
            hold all videos.

    Raises:
        DataError: as `FeatureFolder`.
    """
    if tables:
        found = videos_with_features(tables)
        video_ids = [video_id for video_id in video_ids if video_id in found]
    return FeatureFolder(folder, kind, video_ids)


def videos_with_features(tables: Sequence[Path]) -> set[str]:
    """Return the videos that have features according to tables of kind FEATURES."""
    rows = pd.concat([read_table(path, FEATURES) for path in tables])
    return set(rows["video_id"][rows["status"] == "ok"])


def videos_with_files(folder: Path) -> set[str]:
    """Return the videos that have a file `<video id>.npy` in a folder."""
    return {path.stem for path in folder.glob("*.npy")}


class FeatureFolder:
    """Features of one kind of N videos; a file is read when it is indexed.

    Args:
        folder: folder of `<video id>.npy` files.
        kind: key of FEATURE_KINDS, which gives the number of rows.
        video_ids: N videos.

    Attributes:
        width: number of channels: the most common one, which all files must have.

    Raises:
        DataError: with the number of missing files; or with the name of a file that cannot be read
            or has another shape or type than expected.
    """

    def __init__(self, folder: Path, kind: str, video_ids: Sequence[str]) -> None:
        self.folder, self.kind, self.video_ids = folder, kind, list(video_ids)
        self.rows = FEATURE_KINDS[kind].rows
        self._check_presence()
        stats = [path.stat() for path in map(self.path, self.video_ids)]
        self._stamps = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
        self._opened: dict[tuple[bytes, int], np.memmap[Any, Any]] = {}
        shapes = [self._like(video_id).shape for video_id in self.video_ids]
        widths = Counter(shape[1] for shape in shapes if len(shape) == 2 and shape[0] == self.rows)
        self.width = widths.most_common(1)[0][0] if widths else FEATURE_KINDS[kind].width
        for video_id, shape in zip(self.video_ids, shapes, strict=True):
            if shape != (self.rows, self.width):
                raise DataError(
                    f"{self.path(video_id)}: video {video_id!r} has a {kind} feature of the shape "
                    f"{shape}, expected {(self.rows, self.width)}; extract it again"
                )

    def _check_presence(self) -> None:
        missing = [video_id for video_id in self.video_ids if not self.path(video_id).is_file()]
        if missing:
            few = ", ".join(map(repr, missing[:NAMES_SHOWN]))
            few += ", ..." if len(missing) > NAMES_SHOWN else ""
            raise DataError(
                f"{self.folder}: {len(missing)} of {len(self)} videos have no {self.kind} feature: "
                f"{few}; expected a file <video id>.npy of {self.rows} rows each; correct the "
                "folder, or leave it out so that they are extracted"
            )

    def path(self, video_id: str) -> Path:
        """Return the file of a video.

        Raises:
            DataError: if the path would leave the folder.
        """
        name = f"{video_id}.npy"
        if Path(name).name != name:
            raise DataError(f"{video_id!r} is no video id: its file would be outside {self.folder}")
        return self.folder / name

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Read the feature of a video: (rows, width)."""
        video_id = self.video_ids[index]
        like = self._like(video_id)
        values = np.fromfile(self.path(video_id), like.dtype, offset=like.offset)
        return values.reshape(like.shape, order="C" if like.flags.c_contiguous else "F")

    def fingerprint(self) -> bytes:
        """Return a fingerprint of the files: names, sizes and modification times."""
        return repr((self.kind, self.video_ids, self._stamps)).encode()

    def _like(self, video_id: str) -> "np.memmap[Any, Any]":
        """Return an opened file with the header and size of a video's file.

        Opening a memory map takes longer than reading the array, so of all files with the same
        header and size only one is opened.
        """
        path = self.path(video_id)
        try:
            with path.open("rb", buffering=0) as file:
                key = file.read(HEADER_BYTES), file.seek(0, SEEK_END)
        except OSError:
            return self._open(video_id)  # raises with the reason
        if key not in self._opened:
            self._opened[key] = self._open(video_id)
        return self._opened[key]

    def _open(self, video_id: str) -> "np.memmap[Any, Any]":
        path = self.path(video_id)
        expected = f"expected {self.rows} rows of floats for video {video_id!r}"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise torn(path, f".npy file, {expected}", error) from error
        if not isinstance(array, np.memmap) or array.dtype.kind != "f":
            held = array.dtype if isinstance(array, np.memmap) else "several arrays"
            raise DataError(f"{path}: holds {held}, {expected}")
        return array
