"""Frames of a video at a constant rate as JPEG files, one folder a video, as LLP has them."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image

from avlib.errors import DataError
from avlib.media import ffmpeg
from avlib.media.frames import Frame, frame_numbers

FRAME_RATE = 8  # Hz
FILE_NAME = "%06d.jpg"  # from 1


def write_frames(video: Path, folder: Path) -> None:
    """Write the frames of a video into an empty folder, as `ffmpeg -i VIDEO -r 8 %06d.jpg` does.

    A video of 10 s has 80 to 82 of them, in its own size.

    Raises:
        DataError: if there is no frame.
        OSError: if the disk of `folder` is full.
    """
    numbers = frame_numbers(video)
    stream = None if numbers.is_only else numbers.stream
    ffmpeg.write_jpeg_frames(
        video,
        folder,
        name=FILE_NAME,
        rate=FRAME_RATE,
        stream=stream,
        joined_rate=numbers.joined_rate,
    )


class FrameFolder(Sequence[Frame]):
    """The images of a folder in the order of their names; each is decoded when it is accessed.

    Args:
        folder: holds `.jpg` files; others are ignored.

    Raises:
        DataError: if there is none, or if one that is accessed cannot be decoded.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(p for p in folder.glob("*.jpg") if p.is_file())
        if not self._paths:
            raise DataError(f"{folder}: no .jpg file in it; extract the frames of the video anew")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> Frame: ...

    @overload
    def __getitem__(self, index: slice) -> list[Frame]: ...

    def __getitem__(self, index: int | slice) -> Frame | list[Frame]:
        if isinstance(index, slice):
            return [read_jpeg(path) for path in self._paths[index]]
        return read_jpeg(self._paths[index])


def read_jpeg(path: Path) -> Frame:
    """Return an image as RGB.

    Raises:
        DataError: if it cannot be decoded.
    """
    try:
        # Whatever the name, no other format is tried; that of PostScript starts a program.
        with Image.open(path, formats=["JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable JPEG file; extract it anew ({error})") from error
