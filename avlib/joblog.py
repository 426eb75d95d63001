"""The log of a workflow job: everything on record, and on failure one line for the user."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from avlib.errors import AvlibError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def job_log(path: Path) -> Iterator[None]:
    """Write log records to `path` while the block runs, and warnings to the terminal too.

    An error that the user can mend ends the job with its message; any other one with a traceback,
    in the log and on the terminal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    to_file = _appending(path)
    to_terminal = logging.StreamHandler()
    to_terminal.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in (to_file, to_terminal):
        root.addHandler(handler)
    try:
        yield
    except AvlibError as error:
        root.error("error: %s", error)
        sys.exit(1)
    except Exception:
        root.exception("the job failed")
        raise
    finally:
        for handler in (to_file, to_terminal):
            root.removeHandler(handler)
        to_file.close()


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
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    return handler
