"""Frames of videos as numbered JPEG files, in folders and tars, as EPIC-KITCHENS has them."""

import tarfile
from pathlib import Path

import cv2
import numpy as np


def image(number: int, height: int = 24, width: int = 40):
    """A smooth image that differs from frame to frame, BGR."""
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 5 + number, columns * 3 + 2 * number, rows + columns + 3 * number]
    return (np.stack(planes, axis=2) % 256).astype(np.uint8)


def write_frames(folder: Path, numbers=range(1, 41), **size: int) -> Path:
    """Write `frame_0000000001.jpg` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        cv2.imwrite(str(folder / f"frame_{number:010d}.jpg"), image(number, **size))
    return folder


def pack_tar(folder: Path, target: Path, prefix: str = "") -> Path:
    """Pack a folder's files into a tar, in the order of their names."""
    with tarfile.open(target, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, f"{prefix}{path.name}")
    return target
