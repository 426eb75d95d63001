"""Sidecars of the old format, and what every converter needs: tolerances, entries, sources."""

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
CLAUSE_NAMES = re.compile(r"^\s*([\w/, ]+):")
# Keys that any entry may have: its name, sentences for people, versions of what it was made with.
ALWAYS_KNOWN = {"id", "name", "about", "what", "note", "notes", "description", "comment"}
ALWAYS_KNOWN |= {"torch", "numpy", "pillow", "librosa", "scipy", "transformers"}
# No computed number is compared more closely than that, relative to its size.
CLOSEST = {"float64": 1e-12, "float32": 1e-6}


class Refused(Exception):
    """What a sidecar says is not understood."""


@dataclass(frozen=True)
class Sidecar:
    """A file of the old format, with its arrays."""

    path: Path
    content: dict[str, Any]
    arrays: dict[str, np.ndarray]
    data: Path  # folder of public files

    def own(self, case_id: str) -> dict[str, str]:
        """Return the keys of the arrays `<case>/<name>` or `<case>.<name>` by name."""
        prefixes = (f"{case_id}/", f"{case_id}.")
        return {key[len(case_id) + 1 :]: key for key in self.arrays if key.startswith(prefixes)}

    def cases(self) -> dict[str, dict[str, Any]]:
        """Return the entries of `cases` by name; a sidecar without them is a case itself."""
        given = self.content.get("cases")
        if given is None:
            return {self.path.stem: self.content}
        if isinstance(given, Mapping):
            return dict(given)
        named: dict[str, dict[str, Any]] = {}
        for i, entry in enumerate(given):
            name = _case_id(entry, i)
            named[f"{name} ({i})" if name in named else name] = entry
        return named


@dataclass
class Converted:
    """A file of format 1 but for `format` and `arrays`, and its arrays."""

    content: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Tolerance:
    """abs + rel * size of the golden value; both 0 for what must be equal."""

    abs: float = 0.0
    rel: float = 0.0

    def keys(self) -> dict[str, float]:
        """Return the keys of an expected entry."""
        return {name: x for name, x in (("abs", self.abs), ("rel", self.rel)) if x}


EXACT = Tolerance()
DEFAULT = Tolerance(1e-5, 1e-5)  # where a sidecar says nothing


def read_sidecar(path: Path, data: Path | None = None) -> Sidecar:
    """Return a sidecar; `data` is the folder of public files, by default beside the golden ones."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise Refused(f"holds a {type(content).__name__}, expected an object")
    arrays: dict[str, np.ndarray] = {}
    if path.with_suffix(".npz").exists():
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
            arrays = dict(stored)
    above = path.resolve().parents
    return Sidecar(path, content, arrays, data or above[min(2, len(above) - 1)] / "data")


def _case_id(entry: Any, index: int) -> str:
    keys = ("id", "name", "video_id")
    named = [entry[key] for key in keys if key in entry] if isinstance(entry, Mapping) else []
    return str(named[0]) if named else str(index)


def require_known(what: str, entry: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse an entry that says more than is understood.

    Raises:
        Refused: if it has other keys, beside those that any may have.
    """
    if unknown := entry.keys() - set(known) - ALWAYS_KNOWN:
        raise Refused(f"{what}: unknown keys {sorted(unknown)}")


def texts(entry: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Return those of `names` that an entry has, as texts: a case's `source`."""
    return {name: str(entry[name]) for name in names if name in entry}


def expect(
    value: Any = None,
    tolerance: Tolerance = EXACT,
    *,
    array: str | None = None,
    **keys: Any,
) -> dict[str, Any]:
    """Return an expected entry; `keys` are its other keys, those that are None left out."""
    golden = {"value": value} if array is None else {"array": array}
    others = {name: given for name, given in keys.items() if given is not None}
    return others | golden | tolerance.keys()


def computed(tolerance: Tolerance, dtype: str = "float32") -> Tolerance:
    """Return a tolerance for numbers that are computed: they are never asked to be equal."""
    if tolerance.abs or tolerance.rel >= CLOSEST[dtype]:
        return tolerance
    return Tolerance(tolerance.abs, CLOSEST[dtype])


def fill(seed: int, **keys: Any) -> dict[str, Any]:
    """Return the source of weights by rule."""
    return {"fill": {"seed": seed} | {k: v for k, v in keys.items() if v is not None}}


def rule(
    name: str, shape: Iterable[int], seed: int, scale: float = 1.0, offset: float = 0.0, **keys: Any
) -> dict[str, Any]:
    """Return the source of an array by rule."""
    given: dict[str, Any] = {"name": name, "shape": list(shape), "seed": seed}
    given |= {"scale": scale} if scale != 1 else {}
    given |= {"offset": offset} if offset else {}
    return {"rule": given | keys}


def rule_generator(name: str, seed: int) -> np.random.Generator:
    """Return the generator of a rule."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


NUDGE = 1e-7  # no step of 16 bits, but enough to round to another one


def int16_noise(
    name: str, samples: int, seed: int, amplitude: float, golden: Callable[[np.ndarray], np.ndarray]
) -> list[dict[str, Any]]:
    """Return the parts of a channel of noise that becomes the 16-bit steps of the old rule.

    Where noise that is scaled before its rounding to float32 comes to another step than noise
    that is scaled afterwards, an impulse far below a step sees to it.

    Args:
        name: of the noise.
        samples: length of the noise.
        seed: of the noise.
        amplitude: of the noise, 1 being 32768 steps.
        golden: from float64 draws to the steps of the old rule.

    Raises:
        Refused: if an impulse does not see to it.
    """
    draws = rule_generator(name, seed).standard_normal(samples)
    steps, signal = golden(draws), amplitude * draws.astype(np.float32).astype(np.float64)
    parts = [{"noise": {"name": name, "seed": seed}, "amplitude": amplitude}]
    for sign in (1, -1):
        differing = np.flatnonzero(sign * (steps - np.rint(signal * 32768)) > 0)
        if len(differing):
            parts.append({"impulses": differing.tolist(), "amplitude": sign * NUDGE})
            signal[differing] += sign * NUDGE
    if not np.array_equal(np.rint(signal * 32768), steps):
        raise Refused(f"noise {name!r} cannot be said as a sum of parts")
    return parts


# Public files that sidecars speak of.
DATA_SHA256 = {
    "clips/test.wav": "3c139b1dcd0ebebbe6417038d75126b25fbf259b7993eedce5130bc200f55049",
    "k600/Kinetics_600_vallist.txt.gz": (
        "c1908395a12165a8ff8e2fd3b203736a8cb812ab995e089f87f005c270fcef79"
    ),
    "k600/K600_audio_file.txt.gz": (
        "1109ecf2d2b661c87ee126bfc401c7108350ab5d0a7b4254e8f55508bda2be10"
    ),
}


def data_source(sidecar: Sidecar, path: str) -> dict[str, Any]:
    """Return the source of a public file, plain or compressed.

    Raises:
        Refused: if it is none that is known, and is not beside the folder of golden cases.
    """
    for name in (path, f"{path}.gz"):
        if (sidecar.data / name).is_file():
            digest = hashlib.sha256((sidecar.data / name).read_bytes()).hexdigest()
            return {"data": {"path": name, "sha256": digest}}
        if name in DATA_SHA256:
            return {"data": {"path": name, "sha256": DATA_SHA256[name]}}
    raise Refused(f"a file {path} that is not in {sidecar.data}")


def keep_used(content: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Converted:
    """Return a file with those arrays that its cases name."""
    used = _named_arrays(content["cases"])
    return Converted(content, {name: array for name, array in arrays.items() if name in used})


def _named_arrays(value: Any) -> set[str]:
    if isinstance(value, dict):
        named = {v for k, v in value.items() if k == "array" and isinstance(v, str)}
        return named.union(*map(_named_arrays, value.values()))
    return set().union(*map(_named_arrays, value)) if isinstance(value, list) else set()


def find_tolerance(names: Iterable[str], *sources: Mapping[str, Any]) -> Tolerance:
    """Return the tolerance of an array from the first of `sources` that has one.

    Args:
        names: names under which a tolerance of this array may be listed.
        sources: the case's own entry, then the sidecar.
    """
    for source in sources:
        if "tolerance_abs" in source or "tolerance_rel" in source:
            given = (source.get("tolerance_abs", 0), source.get("tolerance_rel", 0))
            return Tolerance(*map(float, given))
        for key in ("tolerances", "tolerance"):
            found = _parsed(source.get(key), tuple(names))
            if found is not None:
                return found
    return DEFAULT


def _parsed(given: Any, names: tuple[str, ...]) -> Tolerance | None:
    if isinstance(given, int | float):
        return Tolerance(float(given), float(given))
    if isinstance(given, str):
        return _parsed_text(_clause(given, names))
    if not isinstance(given, Mapping):
        return None
    if given.keys() & {"abs", "rel"}:
        return Tolerance(float(given.get("abs", 0)), float(given.get("rel", 0)))
    return next((_parsed(given[name], names) for name in names if name in given), None)


def _clause(text: str, names: tuple[str, ...]) -> str:
    """Return the part of `a: abs 1e-4; b: rel 1e-5` that is about one of `names`."""
    clauses = text.split(";")
    for clause in clauses:
        label = CLAUSE_NAMES.match(clause)
        if label and set(re.split(r"[, ]+", label[1])) & set(names):
            return clause[label.end() :]
    return clauses[0]


def _parsed_text(text: str) -> Tolerance | None:
    """Read `abs 2e-5 + rel 1e-5`, `1e-5 absolute and relative`, `1e-6` or `exact`."""
    both = re.search(rf"{NUMBER} (?:abs\w* and rel\w*|rel\w* and abs\w*)", text)
    if both:
        return Tolerance(float(both[1]), float(both[1]))
    sizes = {}
    for kind in ("abs", "rel"):
        found = re.search(rf"{kind}\w* {NUMBER}|{NUMBER} {kind}", text)
        if found:
            sizes[kind] = float(found[1] or found[2])
    if sizes:
        return Tolerance(sizes.get("abs", 0.0), sizes.get("rel", 0.0))
    bare = re.search(NUMBER, text)
    if bare:
        return Tolerance(float(bare[1]), float(bare[1]))
    return EXACT if "exact" in text else None
