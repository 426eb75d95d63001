"""The frames of a video as published images: a folder of numbered JPEG files, or a tar of one.

EPIC-KITCHENS-100 is distributed like this. The files are `frame_0000000001.jpg` and so on, without
gaps. A tar is read where it is: its members are listed once, and each image is read on its own.
Nothing stays open in between.
"""

import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.media.files import check_regular
from avlib.media.frame_sources import FILE_NAME, LARGEST, file_sizes

# An image in a tar; a long video has 200,000 of them.
_MEMBER = np.dtype([("number", np.int64), ("offset", np.int64), ("size", np.int64)])
_START_OF_IMAGE, _START_OF_SCAN, _END_OF_IMAGE = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


class FrameImages(ABC):
    """The images of one video, each read when it is asked for.

    Attributes:
        path: of the folder or the tar.
        count: number of frames, by the highest number of a file.
        n_missing: how many numbers up to it have no file.
        first_missing: the lowest of them; None if there is none.
    """

    def __init__(self, path: Path, numbers: Iterable[int]) -> None:
        """Describe images by the numbers of their files.

        Raises:
            DataError: if there is none, or if they are counted from 0.
        """
        self.path = path
        found = np.unique(np.fromiter(numbers, np.int64))
        if not len(found):
            raise DataError(
                f"{path}: no frame_0000000001.jpg in it; extract the frames of the video"
            )
        if found[0] == 0:
            raise DataError(f"{path}: its frames are counted from 0; name the first one frame 1")
        self.count = int(found[-1])
        self.n_missing = self.count - len(found)
        gaps = np.flatnonzero(found != np.arange(1, len(found) + 1))
        self.first_missing = int(gaps[0]) + 1 if len(gaps) else None

    def nearest(self, number: int) -> int:
        """Return a frame, or the last one in the place of those after it."""
        return min(number, self.count)

    def name(self, number: int) -> str:
        """Return how messages name a frame."""
        return f"{self.path}/frame_{number:010d}.jpg"

    @abstractmethod
    def read(self, number: int) -> bytes:
        """Return the file of a frame.

        Args:
            number: from 1 to `count`.

        Raises:
            DataError: if it is missing or cannot be read.
        """

    @abstractmethod
    def size_bytes(self) -> int:
        """Return the size of all files."""

    def image(self, number: int) -> NDArray[np.uint8]:
        """Return a frame (H, W, 3) as RGB.

        Raises:
            DataError: if its file is missing or no whole JPEG file.
        """
        return decode_jpeg(self.read(number), self.name(number))


class _Folder(FrameImages):
    """The images of a folder."""

    def __init__(self, path: Path) -> None:
        try:
            names = [entry.name for entry in os.scandir(path)]
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        super().__init__(path, (int(m[1]) for m in map(FILE_NAME.fullmatch, names) if m))

    def read(self, number: int) -> bytes:
        file = Path(self.name(number))
        check_regular(file)
        try:
            _check_size(file.stat().st_size, self.name(number))
            return file.read_bytes()
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from error

    def size_bytes(self) -> int:
        return sum(size for _, size in file_sizes(self.path))


class _Tar(FrameImages):
    """The images of a tar that is not compressed."""

    def __init__(self, path: Path) -> None:
        members = np.fromiter(_members(path), _MEMBER)
        super().__init__(path, members["number"])
        # Of an image that was added twice, the last one counts.
        self._members = members[np.argsort(members["number"], kind="stable")]

    def read(self, number: int) -> bytes:
        place = np.searchsorted(self._members["number"], number, side="right") - 1
        found, offset, size = self._members[place].tolist()
        if found != number:
            raise DataError(
                f"{self.name(number)}: no such file in the tar; extract the frames again"
            )
        _check_size(size, self.name(number))
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                content = file.read(size)
        except OSError as error:
            raise DataError(f"{self.name(number)}: {error.strerror}") from error
        if len(content) < size:
            raise DataError(f"{self.name(number)}: the tar is cut off; download it again")
        return content

    def size_bytes(self) -> int:
        return self.path.stat().st_size


def _check_size(size: int, name: str) -> None:
    if size > LARGEST:
        raise DataError(f"{name}: {size} bytes are too many for a frame; extract it anew")


def open_images(path: Path) -> FrameImages:
    """Return the images of a folder or tar of a video's frames.

    Raises:
        DataError: if there are no frames in it, or it is no plain tar, is cut off or damaged.
    """
    if path.is_dir():
        return _Folder(path)
    check_regular(path)
    return _Tar(path)


def _members(path: Path) -> Iterator[tuple[int, int, int]]:
    """Yield number, place and size of each image in a tar.

    Nothing is extracted, so names cannot lead anywhere; links and what lies outside of the tar's
    one folder of frames, as by `..`, are not taken for frames.

    Raises:
        DataError: if it is no tar, is cut off or damaged, or has frames of several folders.
    """
    folder: PurePosixPath | None = None
    try:
        with tarfile.open(path, "r:") as tar:
            while member := tar.next():
                tar.members = []  # type: ignore[attr-defined]  # a long video has 200,000
                if tar.offset <= member.offset:
                    raise DataError(f"{path}: a member of the tar has no size; pack it anew")
                name = PurePosixPath(member.name)
                found = FILE_NAME.fullmatch(name.name)
                if not found or not member.isreg() or member.issparse() or not _is_inside(name):
                    continue
                folder = folder or name.parent
                if name.parent != folder:
                    both = f"{folder} and {name.parent}"
                    raise DataError(f"{path}: frames in two folders, {both}; pack one video alone")
                yield int(found[1]), member.offset_data, member.size
            _check_end(path, tar.offset)
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        raise DataError(f"{path}: no plain tar, or cut off or damaged ({error})") from error


def _is_inside(name: PurePosixPath) -> bool:
    return not name.is_absolute() and ".." not in name.parts


def _check_end(path: Path, offset: int) -> None:
    """Check that a tar ends with a block of zeros; without, the rest is missing or damaged."""
    with path.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise DataError(f"{path}: the tar is cut off or damaged; download it again")


def image_frames(path: Path) -> Generator[partial[NDArray[np.uint8]], None, None]:
    """Yield a function for every frame of a folder or tar, in order, that returns its image.

    Raises:
        DataError: as `open_images`.
    """
    images = open_images(path)
    for number in range(1, images.count + 1):
        yield partial(images.image, number)


def decode_jpeg(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return the image of a JPEG file (H, W, 3) as RGB, with OpenCV as published.

    Args:
        content: of the file.
        name: of it, for messages.

    Raises:
        DataError: if it is of another format, cut off or damaged.
    """
    # Of a file that is cut off, OpenCV returns what there is; it decides on the format itself.
    is_whole = content.rfind(_END_OF_IMAGE) > content.rfind(_START_OF_SCAN) > 0
    image = None
    if content.startswith(_START_OF_IMAGE) and is_whole:
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:  # of a size that it refuses
            image = None
    if image is None:
        raise DataError(f"{name}: not a whole JPEG file; extract it anew")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
