"""Golden cases: what a sidecar says was run, and the arrays beside it that came out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from avlib.errors import DataError
from avlib.verify.operations import Numerics as Numerics
from avlib.verify.tolerance import EXACT, Tolerance, find_tolerance


@dataclass(frozen=True)
class Case:
    """One case of a sidecar.

    Attributes:
        id: its name in the sidecar.
        content: the case's own entry; the whole sidecar where it holds a single case.
        sidecar: the whole sidecar, or what of it is about the section that the case is in.
        arrays: all arrays of the file beside it.
        path: the sidecar's file; other files that it speaks of lie beside it.
    """

    id: str
    content: Mapping[str, Any]
    sidecar: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    path: Path

    def own_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays `<id>/<name>` or `<id>.<name>`, or all in a file of one case."""
        if self.content is self.sidecar:
            return dict(self.arrays)
        prefixes = (f"{self.id}/", f"{self.id}.")
        return {k[len(prefixes[0]) :]: v for k, v in self.arrays.items() if k.startswith(prefixes)}

    def compare_noted(
        self, results: Mapping[str, Any], tolerance: Tolerance
    ) -> Iterator["Comparison"]:
        """Compare those of `results` that are noted in the case's entry under their names."""
        for name, result in results.items():
            if name not in self.content:
                continue
            if tolerance == EXACT:
                yield compare_exactly(name, result, self.content[name])
            else:
                yield compare(name, result, self.content[name], tolerance)

    def tolerance(self, *names: str) -> Tolerance:
        """Return the tolerance of an array that is listed under one of `names`."""
        return find_tolerance((self.content, self.sidecar), names)


@dataclass(frozen=True)
class Comparison:
    """How far one result is from its golden value.

    Attributes:
        array: name of the result.
        passed: whether every difference is within the tolerance.
        tolerance: the tolerance.
        absolute: the largest difference; None where the values are no numbers.
        relative: the largest difference in units of its golden value, where that is not 0.
        message: why there are no differences to tell.
    """

    array: str
    passed: bool
    tolerance: Tolerance = EXACT
    absolute: float | None = None
    relative: float | None = None
    message: str = ""


def read_cases(sidecar_path: Path) -> list[Case]:
    """Return the cases of a sidecar `<stem>.json` and, where there is one, its `<stem>.npz`.

    Cases are the entries of `cases`; in a file that is divided into sections, each with a word
    `about` it, the sections or the entries of their `cases`; else the file is a single case.

    Raises:
        DataError: if the sidecar is no JSON object, or the arrays cannot be read.
    """
    try:
        sidecar = json.loads(sidecar_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{sidecar_path}: not readable as JSON ({error})") from error
    if not isinstance(sidecar, dict):
        raise DataError(f"{sidecar_path}: holds a {type(sidecar).__name__}, expected an object")
    arrays = _read_arrays(sidecar_path.with_suffix(".npz"))
    if cases := _entries(sidecar):
        return [Case(name, entry, sidecar, arrays, sidecar_path) for name, entry in cases.items()]
    sections = {name: entry for name, entry in sidecar.items() if isinstance(entry, dict)}
    if "about" in sidecar or not sections or any("about" not in s for s in sections.values()):
        return [Case(sidecar_path.stem, sidecar, sidecar, arrays, sidecar_path)]
    common = {name: entry for name, entry in sidecar.items() if name not in sections}
    return [
        Case(f"{name}.{entry}" if entry else name, content, common | section, arrays, sidecar_path)
        for name, section in sections.items()
        for entry, content in (_entries(section) or {"": section}).items()
    ]


def data_folder(sidecar: Path) -> Path:
    """Return where the public data files that a sidecar speaks of are looked for.

    That is `data` beside the folder of golden cases.
    """
    return sidecar.resolve().parents[2] / "data"


def _entries(section: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the cases that are listed in a section, if any."""
    entries = section.get("cases")
    if isinstance(entries, list):
        entries = {_case_id(entry, i): entry for i, entry in enumerate(entries)}
    is_split = isinstance(entries, dict) and all(isinstance(e, dict) for e in entries.values())
    return entries if entries and is_split else {}


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not path.exists():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz file ({error})") from error


def _case_id(entry: Any, index: int) -> str:
    keys = ("id", "name", "video_id")
    named = [entry[key] for key in keys if key in entry] if isinstance(entry, dict) else []
    return str(named[0]) if named else str(index)


def compare(array: str, result: ArrayLike, golden: ArrayLike, tolerance: Tolerance) -> Comparison:
    """Compare numbers; NaN and the infinities equal only themselves."""
    if isinstance(result, torch.Tensor):
        result = result.detach().double().cpu().numpy()
    got, expected = np.asarray(result, np.float64), np.asarray(golden, np.float64)
    if got.shape != expected.shape:
        message = f"shape {got.shape}, expected {expected.shape}"
        return Comparison(array, False, tolerance, message=message)
    got, expected = np.atleast_1d(got, expected)
    size = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    with np.errstate(all="ignore"):
        difference = np.abs(got - expected)
        difference[np.isnan(difference)] = np.inf
        difference[(got == expected) | (np.isnan(got) & np.isnan(expected))] = 0.0
        relative = difference[size > 0] / size[size > 0]
    allowed = tolerance.absolute + tolerance.relative * size
    return Comparison(
        array,
        bool((difference <= allowed).all()),
        tolerance,
        absolute=float(difference.max(initial=0.0)),
        relative=float(relative.max(initial=0.0)),
    )


def compare_exactly(array: str, result: Any, golden: Any) -> Comparison:
    """Compare names, shapes, indices or other values that must be equal."""
    if result == golden:
        return Comparison(array, True)
    return Comparison(array, False, message=_first_difference(result, golden))


def _first_difference(result: Any, golden: Any) -> str:
    if isinstance(result, list) and isinstance(golden, list):
        if len(result) != len(golden):
            return f"{len(result)} entries, expected {len(golden)}"
        pairs: Iterator[tuple[Any, Any]] = zip(result, golden, strict=True)
        index = next(i for i, (a, b) in enumerate(pairs) if a != b)
        return f"entry {index}: {_first_difference(result[index], golden[index])}"
    return f"{result!r}, expected {golden!r}"
