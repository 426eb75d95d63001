"""The log of a workflow job: everything on record, and on failure one line for the user."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from avlib.errors import AvlibError, StorageError, describe, no_room, out_of_room

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def job_log(path: Path) -> Iterator[None]:
    """Write log records to `path` while the block runs, and warnings to the terminal too.

    An error that the user can mend ends the job with its message; any other one with a traceback,
    in the log and on the terminal.
    """
    to_terminal = logging.StreamHandler()
    to_terminal.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(to_terminal)
    with _ends_in_one_line():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        to_file = _appending(path)
        root.addHandler(to_file)
    try:
        with _ends_in_one_line():
            yield
    finally:
        for handler in (to_file, to_terminal):
            root.removeHandler(handler)
        to_file.close()


@contextmanager
def _ends_in_one_line() -> Iterator[None]:
    root = logging.getLogger()
    try:
        yield
    except Exception as error:
        number = no_room(error)
        if number is not None and not isinstance(error, StorageError):
            place = getattr(error, "filename", None) or f"{Path.cwd()} or TMPDIR, {gettempdir()}"
            root.error("error: %s", out_of_room(place, number))
        elif isinstance(error, AvlibError):
            root.error("error: %s", describe(error))
        else:
            root.exception("the job failed")
            raise
        sys.exit(1)


def log_files() -> list[str]:
    """Return the files that this process logs to."""
    handlers = logging.getLogger().handlers
    return [h.baseFilename for h in handlers if isinstance(h, logging.FileHandler)]


def join_logs(paths: Iterable[str]) -> None:
    """Log to the files of the process that started this one."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for path in paths:
        root.addHandler(_appending(Path(path)))


def _appending(path: Path) -> logging.FileHandler:
    """Return a handler beside which other processes can write to the same file."""
    handler = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    return handler


class _LogFile(logging.FileHandler):
    """A log that ends where its disk is full, without a traceback for each line that it lacks."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if error is None or no_room(error) is None:
            super().handleError(record)

    def close(self) -> None:
        with suppress(OSError):  # of lines that were not written
            super().close()
