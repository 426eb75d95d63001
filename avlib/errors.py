"""Errors whose message is written for the user: shown as one line, without a traceback."""

import errno
import re
from collections.abc import Iterator
from pathlib import Path

# What a system says where a file finds no room, and what to do about it.
NO_ROOM = {
    errno.ENOSPC: "no space is left on the disk; free some",
    errno.EDQUOT: "the disk quota is used up; free some space, or ask for more",
    errno.EFBIG: "the file is larger than the system allows; raise the limit (ulimit -f)",
}
# Libraries that write files themselves hand the reason on in words.
_NO_ROOM_IN_WORDS = {
    errno.ENOSPC: r"No space left on device|(os error|errno =|Errno) 28\b",
    errno.EDQUOT: r"Disk quota exceeded|(os error|errno =|Errno) 122\b",
    errno.EFBIG: r"File too large|(os error|errno =|Errno) 27\b",
}


class AvlibError(Exception):
    """Base of all errors that the user can mend."""


class ConfigError(AvlibError):
    """A setting is wrong; the message names its key."""


class DataError(AvlibError):
    """An annotation, table or media file is wrong; the message names the file and the row."""


class NoAudioError(DataError):
    """A file has no audio, where that is no reason to leave it out."""


class NoFramesError(DataError):
    """A file has no frames, where that is no reason to leave it out."""


class CheckpointError(AvlibError):
    """A weights file does not fit the network, or needs more than weights to be read."""


class UnsafePickleError(AvlibError):
    """A pickle names objects that tables never contain; nothing of it was executed."""


class LockedError(AvlibError):
    """Another process is at work in the folder; the message names it."""


class StorageError(AvlibError):
    """A file finds no room on its disk; the message names it and the remedy."""


def no_room(error: BaseException) -> int | None:
    """Return the number of the system's error where a file found no room, else None.

    Args:
        error: any error; those that led to it count, too.
    """
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in NO_ROOM:
            return link.errno
        for number, words in _NO_ROOM_IN_WORDS.items():
            if not isinstance(link, AvlibError) and re.search(words, str(link)):
                return number
    return None


def out_of_room(target: Path | str, number: int) -> StorageError:
    """Return the error of a file that finds no room, given `no_room` of what happened."""
    return StorageError(f"{target}: {NO_ROOM[number]}, then run the same command again")


def describe(error: BaseException) -> str:
    """Return the message of an error of the user's files or configuration, in one line."""
    if isinstance(error, OSError) and error.filename is not None:
        number = no_room(error)
        if number is not None:
            return str(out_of_room(error.filename, number))
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
