"""Features of LLP on disk, one `<video id>.npy` a video, as published or made here.

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
from avlib.extractors.tables import FEATURES as FEATURE_TABLE
from avlib.io.tables import read_table

NAMES_SHOWN = 3
HEADER_BYTES = 128  # of a .npy file of numbers


@dataclass(frozen=True)
class FeatureKind:
    """A kind of feature.

    Attributes:
        folder: where the published layout has it, below the folder of the data; empty if nowhere.
        rows: of time, or of a map of the sound.
        width: of the published features.
    """

    folder: str
    rows: int
    width: int


FEATURES = {
    "vggish": FeatureKind("feats/vggish", 10, 128),
    "res152": FeatureKind("feats/res152", 80, 2048),
    "r2plus1d_18": FeatureKind("feats/r2plus1d_18", 10, 512),
    "clip": FeatureKind("CLIP/features", 10, 768),
    "clap": FeatureKind("CLAP/features", 64, 768),
    "clap_segments": FeatureKind("", 10, 512),  # what the audio teacher compares with captions
}
# The segment labels of the teachers, by modality.
PSEUDO_LABELS = {"audio": "CLAP/segment_pseudo_labels", "visual": "CLIP/segment_pseudo_labels"}


def open_features(
    kind: str, folder: Path, video_ids: Sequence[str], tables: Sequence[Path]
) -> "FeatureFolder":
    """Return the features of the videos that have some.

    Args:
        kind: key of FEATURES.
        folder: that holds `<video id>.npy`.
        video_ids: videos that are asked for.
        tables: of kind `avlib.io.tables.FEATURES`, where the features were made here; a folder
            from outside has to hold all videos.

    Raises:
        DataError: as `FeatureFolder`.
    """
    if tables:
        found = videos_with_features(tables)
        video_ids = [video_id for video_id in video_ids if video_id in found]
    return FeatureFolder(folder, kind, video_ids)


def videos_with_features(tables: Sequence[Path]) -> set[str]:
    """Return the videos of which tables of kind FEATURES say that they have features."""
    rows = pd.concat([read_table(path, FEATURE_TABLE) for path in tables])
    return set(rows["video_id"][rows["status"] == "ok"])


def videos_with_files(folder: Path) -> set[str]:
    """Return the videos of which a folder has a file `<video id>.npy`."""
    return {path.stem for path in folder.glob("*.npy")}


class FeatureFolder:
    """The features of one kind of some videos; each file is read when it is asked for.

    Args:
        folder: that holds `<video id>.npy`.
        kind: key of FEATURES; says how many rows a file has.
        video_ids: N videos.

    Attributes:
        width: of the features; that of most of the files, and all of them must have it.

    Raises:
        DataError: if files are missing, all of them counted; or naming the file, what it holds and
            what is expected, if one cannot be read or has another shape or type.
    """

    def __init__(self, folder: Path, kind: str, video_ids: Sequence[str]) -> None:
        self.folder, self.kind, self.video_ids = folder, kind, list(video_ids)
        self.rows = FEATURES[kind].rows
        self._check_presence()
        stats = [path.stat() for path in map(self.path, self.video_ids)]
        self._stamps = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
        self._opened: dict[tuple[bytes, int], np.memmap[Any, Any]] = {}
        shapes = [self._like(video_id).shape for video_id in self.video_ids]
        widths = Counter(shape[1] for shape in shapes if len(shape) == 2 and shape[0] == self.rows)
        self.width = widths.most_common(1)[0][0] if widths else FEATURES[kind].width
        for video_id, shape in zip(self.video_ids, shapes, strict=True):
            if shape != (self.rows, self.width):
                raise DataError(
                    f"{self.path(video_id)}: video {video_id!r} has a {kind} feature of the shape "
                    f"{shape}, expected {(self.rows, self.width)}; make it again"
                )

    def _check_presence(self) -> None:
        missing = [video_id for video_id in self.video_ids if not self.path(video_id).is_file()]
        if missing:
            few = ", ".join(map(repr, missing[:NAMES_SHOWN]))
            few += ", ..." if len(missing) > NAMES_SHOWN else ""
            raise DataError(
                f"{self.folder}: {len(missing)} of {len(self)} videos have no {self.kind} feature: "
                f"{few}; expected a file <video id>.npy of {self.rows} rows each; correct the "
                "folder, or make them"
            )

    def path(self, video_id: str) -> Path:
        """Return the file of a video.

        Raises:
            DataError: if its name would leave the folder.
        """
        name = f"{video_id}.npy"
        if Path(name).name != name:
            raise DataError(f"{video_id!r} is no video id: its file would leave {self.folder}")
        return self.folder / name

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Return the feature of a video, which is read where it is used: (rows, width)."""
        video_id = self.video_ids[index]
        like = self._like(video_id)
        values = np.fromfile(self.path(video_id), like.dtype, offset=like.offset)
        return values.reshape(like.shape, order="C" if like.flags.c_contiguous else "F")

    def fingerprint(self) -> bytes:
        """Return what tells these files from others: names, sizes and times of change."""
        return repr((self.kind, self.video_ids, self._stamps)).encode()

    def _like(self, video_id: str) -> "np.memmap[Any, Any]":
        """Return a feature that differs from that of a video in its values alone.

        To open an array takes longer than to read it, so of files with one header and size one is
        opened.
        """
        path = self.path(video_id)
        try:
            with path.open("rb", buffering=0) as file:
                key = file.read(HEADER_BYTES), file.seek(0, SEEK_END)
        except OSError:
            return self._open(video_id)  # tells why it cannot be read
        if key not in self._opened:
            self._opened[key] = self._open(video_id)
        return self._opened[key]

    def _open(self, video_id: str) -> "np.memmap[Any, Any]":
        path = self.path(video_id)
        expected = f"expected {self.rows} rows of floats for video {video_id!r}"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{path}: not a readable .npy file ({reason}); {expected}") from error
        if not isinstance(array, np.memmap) or array.dtype.kind != "f":
            held = array.dtype if isinstance(array, np.memmap) else "several arrays"
            raise DataError(f"{path}: holds {held}, {expected}")
        return array
