"""How far a result may be from its golden value, as sidecars say it in many ways."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
CLAUSE_NAMES = re.compile(r"^\s*([\w/, ]+):")


@dataclass(frozen=True)
class Tolerance:
    """A result may differ by `absolute` plus `relative` times the size of the golden value."""

    absolute: float
    relative: float

    def __str__(self) -> str:
        parts = {"abs": self.absolute, "rel": self.relative}
        return " + ".join(f"{name} {size:g}" for name, size in parts.items() if size) or "exact"


EXACT = Tolerance(0.0, 0.0)
DEFAULT = Tolerance(1e-5, 1e-5)  # where a sidecar says nothing


def find_tolerance(sources: tuple[Mapping[str, Any], ...], names: tuple[str, ...]) -> Tolerance:
    """Return the tolerance of an array from the first of `sources` that has one.

    Args:
        sources: mappings with keys `tolerances`, `tolerance`, `tolerance_abs` or `tolerance_rel`.
        names: names under which a tolerance of this array may be listed.
    """
    for source in sources:
        if "tolerance_abs" in source or "tolerance_rel" in source:
            return Tolerance(
                float(source.get("tolerance_abs", 0)), float(source.get("tolerance_rel", 0))
            )
        for key in ("tolerances", "tolerance"):
            found = _parse(source.get(key), names)
            if found is not None:
                return found
    return DEFAULT


def _parse(given: Any, names: tuple[str, ...]) -> Tolerance | None:
    if isinstance(given, int | float):
        return Tolerance(float(given), float(given))  # absolute for small values, else relative
    if isinstance(given, str):
        return _parse_text(_clause(given, names))
    if not isinstance(given, Mapping):
        return None
    if given.keys() & {"abs", "rel"}:
        return Tolerance(float(given.get("abs", 0)), float(given.get("rel", 0)))
    return next((_parse(given[name], names) for name in names if name in given), None)


def _clause(text: str, names: tuple[str, ...]) -> str:
    """Return the part of `a: abs 1e-4; b: rel 1e-5` that is about one of `names`."""
    clauses = text.split(";")
    for clause in clauses:
        label = CLAUSE_NAMES.match(clause)
        if label and set(re.split(r"[, ]+", label[1])) & set(names):
            return clause[label.end() :]
    return clauses[0]


def _parse_text(text: str) -> Tolerance | None:
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
