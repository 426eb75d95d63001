"""Writing of files: whole, or not at all. All files of the library are written here."""

import hashlib
import json
import os
import platform
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from avlib.errors import StorageError, no_room, out_of_room

PROBE_BYTES = 1 << 16  # more than a disk without room can take
CHECKSUM_BLOCK = 1 << 18  # that the cache of a processor holds
LEFTOVER_AGE_S = 3600.0  # of partial files of other machines, whose processes cannot be looked up


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; rename it onto `target` on success.

    On any error the temporary file is removed and `target` is left as it was. What a killed
    process left behind is removed by the next one that writes the same target.

    Raises:
        StorageError: if the disk has no room for the file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # A digest, because the name with an addition could be too long for a file name.
    prefix = f".{hashlib.sha1(os.fsencode(target.name)).hexdigest()[:12]}"
    for leftover in target.parent.glob(f"{prefix}.*.part"):
        if _is_abandoned(leftover):
            leftover.unlink(missing_ok=True)
    writer = f"{os.getpid()}-{platform.node()[:40]}"
    partial = target.parent / f"{prefix}.{uuid4().hex}.{writer}.part"
    try:
        with naming_full_disk(target, partial):
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def naming_full_disk(target: Path, written: Path | None = None) -> Iterator[None]:
    """Turn whatever a library raises for want of room into one error that names the file.

    Some libraries give no reason; then a file of no worth is given some more bytes, which tells.

    Args:
        target: the file that is to be.
        written: such a file, or a folder of such files; None: none is touched.

    Raises:
        StorageError: if its disk is full, its quota used up, or the file larger than is allowed.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        number = no_room(error)
        if number is None and written is not None:
            number = _no_room_for_more(written)
        if number is None:
            raise
        raise out_of_room(target, number) from error


def _no_room_for_more(written: Path) -> int | None:
    members = [path for path in written.glob("*") if path.is_file()]
    try:
        largest = max(members, key=lambda path: path.stat().st_size, default=written)
        with largest.open("ab") as more:
            more.write(bytes(PROBE_BYTES))
            more.flush()
            os.fsync(more.fileno())
    except OSError as error:
        return no_room(error)
    return None


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target` that takes its place on success, and is removed if not.

    Raises:
        StorageError: if the disk has no room for it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}.part"  # a fixed name: a killed job leaves one
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        with naming_full_disk(target, partial):
            yield partial
            os.sync()  # one by one, thousands of small files take minutes
            shutil.rmtree(target, ignore_errors=True)
            partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_abandoned(partial: Path) -> bool:
    """Say whether the process that wrote a partial file is gone."""
    process, _, node = partial.name.removesuffix(".part").split(".", 3)[3].partition("-")
    if node != platform.node()[:40]:
        return time.time() - partial.stat().st_mtime > LEFTOVER_AGE_S
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def write_json(target: Path, content: Any) -> None:
    """Write `content` as indented JSON with sorted keys, so that equal content is equal bytes."""
    with atomic_path(target) as partial:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
        partial.write_text(text + "\n", encoding="ascii")


def keep_copy(source: Path, copy: Path) -> None:
    """Give a finished file a second name, or a copy where the file system has no hard links.

    Snakemake removes an output before it is made again; the second name keeps the content. A
    checksum beside it says whether it still is what was kept.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.parent / f".{uuid4().hex}.part"
    try:
        with naming_full_disk(copy, partial):
            try:
                partial.hardlink_to(source)
            except OSError:
                shutil.copyfile(source, partial)
            partial.replace(copy)
    finally:
        partial.unlink(missing_ok=True)
    with atomic_path(_checksum_file(copy)) as partial:
        partial.write_text(_checksum(copy), "ascii")


def is_kept(copy: Path) -> bool:
    """Say whether a file is what `keep_copy` kept, and not what a disk has made of it since."""
    try:
        return _checksum_file(copy).read_bytes() == _checksum(copy).encode()
    except OSError:
        return False


def _checksum_file(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.crc32")


def _checksum(path: Path) -> str:
    """Return a checksum that tells damage, but no forgery; half the time of a cryptographic one."""
    value, block = 0, memoryview(bytearray(CHECKSUM_BLOCK))
    with path.open("rb", buffering=0) as file:
        while n_bytes := file.readinto(block):
            value = zlib.crc32(block[:n_bytes], value)
    return f"{path.stat().st_size} {value:08x}"
