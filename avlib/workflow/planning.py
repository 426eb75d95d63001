"""Errors at planning end a run as those of jobs do: with one line that names the key at fault.

Snakemake would show an error of an input function behind the frames that led to it, and would pass
over one where the file that the function is asked for exists from an earlier run.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from avlib.errors import AvlibError, describe
from avlib.studies.base import Study
from avlib.workflow.weights import weights_key

T = TypeVar("T")


@contextmanager
def one_line(studies: Iterable[Study] = ()) -> Iterator[None]:
    """End the process with one line where the user can mend what went wrong in the block.

    Args:
        studies: those whose keys may have led to the error, the likeliest first.
    """
    try:
        yield
    except (AvlibError, OSError) as error:
        raise SystemExit(f"error: {with_key(describe(error), studies)}") from None


def with_key(message: str, studies: Iterable[Study]) -> str:
    """Return a message with the key of the configuration whose file or folder it is about.

    Args:
        message: of an error; one that begins with a section, names a key, or no configured path,
            is left as it is.
        studies: as `one_line` takes them.
    """
    found: dict[str, int] = {}
    for study in studies:
        if message.startswith((f"{study.section}.", f"{study.section}: ")):
            return message
        for key, path in configured_paths(study).items():
            if key in message:
                return message
            if re.search(rf"(?<![\w/.-]){re.escape(str(path))}(?![\w.-])", message):
                found[key] = len(str(path))
    # Of a folder and a file in it the file counts; of equal ones that of the first study.
    return f"{max(found, key=lambda key: found[key])}: {message}" if found else message


def configured_paths(study: Study) -> dict[str, Path]:
    """Return the configured files and folders of a study by the whole names of their keys."""
    weights = {weights_key(name): given.path for name, given in study.weights().items()}
    paths = {study.key(key): path for key, path in (study.files() | weights).items()}
    return {key: path for key, path in paths.items() if path is not None}


def shorten_unknown_target(record: logging.LogRecord, targets: Iterable[str]) -> bool:
    """Put Snakemake's words for a target that no rule makes into one line; a filter of a logger."""
    if getattr(record, "exception", None) == "MissingRuleException":
        asked = re.search(r"No rule to produce (.*) \(", record.getMessage())
        remedy = f"name a study ({', '.join(targets)}), or one of its files"
        record.msg = f"error: no rule makes {asked[1] if asked else 'it'}; {remedy}"
        record.args = ()
    return True


def guarded(part: T, studies: Mapping[str, Study]) -> T:
    """Return what answers as `part` does, in `one_line` where an answer fails.

    Args:
        part: object whose methods take wildcards, or studies.
        studies: the configured ones by name.
    """
    return cast(T, _Guarded(part, studies))


class _Guarded:
    """Stands for another object; its methods have the signatures of those that they call."""

    def __init__(self, part: Any, studies: Mapping[str, Study]) -> None:
        self._part, self._studies = part, studies

    def __getattr__(self, name: str) -> Any:
        with one_line(self._studies.values()):
            value = getattr(self._part, name)
        if not callable(value):
            return value

        @wraps(value)
        def ask(*args: Any, **kwargs: Any) -> Any:
            with one_line(self._likeliest_first(args)):
                return value(*args, **kwargs)

        return ask

    def _likeliest_first(self, args: tuple[Any, ...]) -> list[Study]:
        """Return the studies that a question is about, and behind them all others."""
        asked = [arg for arg in args if isinstance(arg, Study)]
        names = {getattr(arg, "study", None) for arg in args}
        asked += [study for name, study in self._studies.items() if name in names]
        return [*asked, *(s for s in self._studies.values() if s not in asked)]
