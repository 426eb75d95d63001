"""Golden cases in format 1: this operation, with these inputs, gives these results, this closely.

A file `<name>.json` holds one case or several, with the arrays of all in an `.npz` beside it.
Everything is said by keys; the sentences in `about` and `source` are for people.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from avlib import packages
from avlib.errors import AvlibError, CheckpointError
from avlib.io import package_files
from avlib.io.hashes import file_hash
from avlib.verify.comparison import STATISTICS
from avlib.verify.rule import Fill
from avlib.verify.sources import picture, rule_array, sound

FILE_KEYS = {"format", "arrays", "cases"}
MERGED = ("arguments", "inputs", "source")  # key by key with the file's defaults
CASE_KEYS = {"id", "system", "operation", "about", "expected", "refused", "informational", *MERGED}
EXPECTED_KEYS = {"of", "array", "value", "abs", "rel", "dtype", "flat", "index", "statistic"}
EXPECTED_KEYS |= {"axes"}


class CaseError(AvlibError):
    """A case is not what the format or its operation has."""


class MissingSourceError(Exception):
    """What an input comes from is not here; the case is skipped."""


@dataclass(frozen=True)
class Package:
    """Weights of a package that `make weights` fetched.

    Attributes:
        name: of the package.
        version: of the package.
        files: its files that are used, unpacked, by name without folders; all in one folder.
    """

    name: str
    version: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        id: its name in the file.
        content: the case's own keys over the defaults of the file.
        arrays: stored arrays of the file.
        path: the file.
        data: folder of public data that is not part of the golden cases.
    """

    id: str
    content: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    path: Path
    data: Path

    @property
    def key(self) -> tuple[str, str]:
        """System and operation."""
        return self.content["system"], self.content["operation"]

    def inputs(self) -> dict[str, Any]:
        """Return the inputs by name.

        Raises:
            MissingSourceError: if one is from a folder or package that is not here.
            CaseError: if a source is unknown or its file another one.
        """
        given = self.content["inputs"].items()
        return {name: self._source(f"input {name}", source) for name, source in given}

    def _source(self, what: str, source: Mapping[str, Any]) -> Any:
        if len(source) != 1:
            raise CaseError(f"{what}: expected one kind of source, got {sorted(source)}")
        ((kind, given),) = source.items()
        makers: dict[str, Callable[..., Any]] = {
            "rule": rule_array,
            "sound": sound,
            "picture": picture,
            "data": self._data_file,
            "fill": Fill,
            "package": _package,
        }
        try:
            if kind in makers:
                return makers[kind](**given)
            if kind == "array":
                return self.arrays[given]
            if kind == "value":
                return given
            if kind == "stack":
                return np.stack([self._source(what, s) for s in given])
            if kind == "map":
                return {key: self._source(f"{what}/{key}", s) for key, s in given.items()}
            if kind == "file":
                return self.path.parent / given
        except (TypeError, KeyError) as error:
            raise CaseError(f"{what}: not a source of kind {kind!r} ({error})") from error
        raise CaseError(f"{what}: unknown kind of source {kind!r}")

    def _data_file(self, path: str, sha256: str) -> Path:
        found = self.data / path
        if not found.is_file():
            raise MissingSourceError(f"needs {path} of the folder of public data, not {self.data}")
        _check_hash(found, sha256)
        return found


@cache
def _package_folder(package: packages.Package) -> TemporaryDirectory[str]:
    """Return a folder with the files of a package that are used; it goes with the process."""
    folder = TemporaryDirectory()
    for name, content in package_files.read_package(packages.PACKAGES_FOLDER, package).items():
        Path(folder.name, name).write_bytes(content)
    return folder


def _package(name: str, version: str, sha256: Mapping[str, str]) -> Package:
    known = next((p for p in packages.PACKAGES if p.name == name), None)
    needed = f"needs the package {name} {version}"
    if known is None or known.version != version:
        raise MissingSourceError(f"{needed}, which is not one that `make weights` fetches")
    if not all((packages.PACKAGES_FOLDER / file.path).is_file() for file in known.files):
        raise MissingSourceError(f"{needed}; {packages.REMEDY}")
    try:
        folder = Path(_package_folder(known).name)
    except CheckpointError as error:
        raise CaseError(str(error)) from error
    files = {path.name: path for path in sorted(folder.iterdir())}
    if missing := sha256.keys() - files.keys():
        raise CaseError(f"{name} {version} has no file {sorted(missing)}")
    for file, expected in sha256.items():
        _check_hash(files[file], expected)
    return Package(name, version, files)


def _check_hash(path: Path, sha256: str) -> None:
    found = file_hash(path)
    if found != sha256:
        raise CaseError(f"{path}: not the file that the case was made from (sha256 {found})")


def read_cases(path: Path, data: Path | None = None) -> list[Case]:
    """Return the cases of a file.

    Args:
        path: the .json file.
        data: folder of public data; by default `data` beside the folder of golden cases.

    Raises:
        CaseError: if the file is not in format 1, or its arrays cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CaseError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") != 1:
        raise CaseError(f"{path}: no file of cases; expected an object with the format 1")
    arrays = _read_arrays(path.parent / content["arrays"]) if "arrays" in content else {}
    above = path.resolve().parents
    data = data or above[min(2, len(above) - 1)] / "data"
    shared = {key: value for key, value in content.items() if key not in FILE_KEYS}
    cases: dict[str, Case] = {}
    for own in content.get("cases", [{"id": path.stem}]):
        merged = shared | own
        for key in MERGED:
            merged[key] = {**shared.get(key, {}), **own.get(key, {})}
        where = f"{path}: {own.get('id')}"
        if "id" not in own or own["id"] in cases:
            raise CaseError(f"{where}: a case needs an id of its own")
        _check(where, merged, arrays)
        cases[own["id"]] = Case(own["id"], merged, arrays, path, data)
    return list(cases.values())


def _check(where: str, case: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    if unknown := case.keys() - CASE_KEYS:
        raise CaseError(f"{where}: unknown keys {sorted(unknown)}")
    if missing := {"system", "operation"} - case.keys():
        raise CaseError(f"{where}: lacks {sorted(missing)}")
    if bool(case.get("refused")) == bool(case.get("expected")):
        raise CaseError(f"{where}: expected either results or `refused`")
    for name, entry in case.get("expected", {}).items():
        if unknown := entry.keys() - EXPECTED_KEYS:
            raise CaseError(f"{where}: {name}: unknown keys {sorted(unknown)}")
        if ("array" in entry) == ("value" in entry):
            raise CaseError(f"{where}: {name}: expected either an array or a value")
        if entry.get("statistic", "sha256") not in {*STATISTICS, "sha256"}:
            raise CaseError(f"{where}: {name}: unknown statistic {entry['statistic']!r}")
        named = [entry.get("array"), *(v for v in (entry.get("abs"),) if isinstance(v, dict))]
        stored = [n["array"] if isinstance(n, dict) else n for n in named if n is not None]
        if missing := set(stored) - arrays.keys():
            raise CaseError(f"{where}: {name}: no array {sorted(missing)} beside the file")


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise CaseError(f"{path}: not a readable .npz file ({error})") from error
