"""One run at a time in a folder, by a lock that the kernel releases when its process dies."""

import errno
import fcntl
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from avlib.errors import LockedError

logger = logging.getLogger(__name__)

NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}  # some network file systems


_held: list[IO[str]] = []  # an open file is the lock; the kernel closes it with the process


def lock_folder(folder: Path) -> IO[str]:
    """Lock `folder` for this process until it ends.

    The lock is advisory (`flock` of `<folder>/.lock`), so a killed run leaves nothing to repair.
    On a file system without locks a warning is logged and the folder is used without one.

    Returns:
        the open file; the lock ends where it is closed.

    Raises:
        LockedError: if another process holds the lock; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / ".lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise LockedError(
            f"{folder}: another run is at work here ({holder}); wait for its end, or stop it"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise
        logger.warning("%s: this file system has no locks; start one run at a time", folder)
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    _held.append(file)
    return file


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder` while the block runs, as `lock_folder` does."""
    file = lock_folder(folder)
    try:
        yield
    finally:
        _held.remove(file)
        file.close()
