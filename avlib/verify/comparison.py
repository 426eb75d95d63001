"""Comparison of the results of an operation with what a golden case expects."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STATISTICS: dict[str, Callable[..., Any]] = {  # beside sha256
    "shape": lambda x, axis: np.array(x.shape),
    "mean": np.mean,
    "std": np.std,
    "std_unbiased": lambda x, axis: np.std(x, axis=axis, ddof=1),
    "sum": np.sum,
    "abs_sum": lambda x, axis: np.abs(x).sum(axis=axis),
    "norm": lambda x, axis: np.sqrt(np.square(x).sum(axis=axis)),
    "min": np.min,
    "max": np.max,
}


@dataclass(frozen=True)
class Tolerance:
    """A number may differ by `absolute`, of each element perhaps, plus `relative` of its size."""

    absolute: float | NDArray[Any] = 0.0
    relative: float = 0.0

    def __str__(self) -> str:
        absolute = float(np.max(self.absolute, initial=0.0))
        parts = {"abs": absolute, "rel": self.relative}
        return " + ".join(f"{name} {size:g}" for name, size in parts.items() if size) or "exact"


@dataclass(frozen=True)
class Comparison:
    """How far one result is from its golden value.

    Attributes:
        name: of what is expected.
        passed: whether every difference is within the tolerance.
        tolerance: what was allowed.
        absolute: the largest difference; None where no numbers were compared.
        message: what is wrong, or why the case was skipped.
        skipped: whether nothing could be compared here.
    """

    name: str
    passed: bool
    tolerance: Tolerance = Tolerance()
    absolute: float | None = None
    message: str = ""
    skipped: bool = False


def compare(
    name: str,
    entry: Mapping[str, Any],
    results: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> Comparison:
    """Compare the result that an expected entry names.

    Args:
        name: of the entry, and of the result unless the entry has `of`.
        entry: one of a case's `expected`, as the format has it.
        results: what the operation gave.
        arrays: stored arrays of the case.
    """
    of, absolute = entry.get("of", name), entry.get("abs", 0.0)
    golden = arrays[entry["array"]] if "array" in entry else entry["value"]
    absolute = arrays[absolute["array"]] if isinstance(absolute, Mapping) else float(absolute)
    tolerance = Tolerance(absolute, float(entry.get("rel", 0.0)))
    if of not in results:
        return _failure(name, tolerance, f"no result {of!r}")
    result = results[of]
    dtype = _dtype(result) if "dtype" in entry else ""
    if dtype != entry.get("dtype", ""):
        return _failure(name, tolerance, f"dtype {dtype}, expected {entry['dtype']}")
    try:
        return _compared(name, _reduced(result, entry), golden, tolerance)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        return _failure(name, tolerance, f"cannot be compared ({error})")


def _reduced(result: Any, entry: Mapping[str, Any]) -> Any:
    """Return the part or the statistic of a result that an entry is about."""
    statistic = entry.get("statistic")
    if not entry.keys() & {"flat", "index", "statistic"}:
        return result
    if statistic == "sha256" and isinstance(result, str):
        return hashlib.sha256(result.encode()).hexdigest()
    x = as_array(result)
    x = x.ravel() if entry.get("flat") else x
    for axis, at in enumerate(entry.get("index", [])):
        if isinstance(at, Mapping):
            at = range(x.shape[axis])[slice(at.get("start"), at.get("stop"), at.get("step"))]
        x = x if at is None else x.take(np.array(at, dtype=np.int64), axis=axis)
    if statistic == "sha256":
        x = np.ascontiguousarray(x)
        return hashlib.sha256(x.astype(x.dtype.newbyteorder("<")).tobytes()).hexdigest()
    if statistic is not None:
        axes = entry.get("axes")
        x = STATISTICS[statistic](x.astype(np.float64), axis=tuple(axes) if axes else None)
    return x


def _compared(name: str, result: Any, golden: Any, tolerance: Tolerance) -> Comparison:
    """Compare numbers within the tolerance, lists and objects by their entries, others exactly."""
    if isinstance(golden, Mapping):
        found = {str(key): value for key, value in result.items()}
        if found.keys() != golden.keys():
            different = sorted(found.keys() ^ golden.keys())
            return _failure(name, tolerance, f"keys differ: {different}")
        pairs = [(key, found[key], golden[key]) for key in golden]
    elif isinstance(golden, list):
        values = result.tolist() if hasattr(result, "tolist") else result
        if not isinstance(values, list | tuple):
            return _failure(name, tolerance, f"{values!r}, expected a list")
        if len(values) != len(golden):
            message = f"{len(values)} entries, expected {len(golden)}"
            return _failure(name, tolerance, message)
        pairs = [(str(i), *pair) for i, pair in enumerate(zip(values, golden, strict=True))]
    elif isinstance(golden, np.ndarray) and golden.dtype.kind in "US":
        return _compared(name, result, golden.tolist(), tolerance)
    elif isinstance(golden, np.ndarray) or _is_number(golden):
        return _compared_numbers(name, as_array(result), np.asarray(golden), tolerance)
    elif isinstance(result == golden, bool | np.bool_) and result == golden:
        return Comparison(name, True, tolerance)
    else:
        return _failure(name, tolerance, f"{result!r}, expected {golden!r}")
    inner = [_compared(key, x, y, tolerance) for key, x, y in pairs]
    if failed := next((c for c in inner if not c.passed), None):
        message = f"{failed.name}: {failed.message}"
        return Comparison(name, False, tolerance, failed.absolute, message)
    worst = max((c.absolute for c in inner if c.absolute is not None), default=None)
    return Comparison(name, True, tolerance, worst)


def _compared_numbers(
    name: str, x: NDArray[Any], y: NDArray[Any], tolerance: Tolerance
) -> Comparison:
    """Compare numbers; NaN and the infinities equal only themselves."""
    if x.shape != y.shape:
        return _failure(name, tolerance, f"shape {x.shape}, expected {y.shape}")
    if x.dtype.kind not in "biuf":
        return _failure(name, tolerance, f"{x.tolist()!r} where numbers are expected")
    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(x - y)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    difference = np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))
    size = np.where(np.isfinite(y), np.abs(y), 0.0)
    passed = bool((difference <= tolerance.absolute + tolerance.relative * size).all())
    worst = float(difference.max(initial=0.0))
    message = "" if passed else f"differs by {worst:g}"
    return Comparison(name, passed, tolerance, worst, message)


def as_array(value: Any) -> NDArray[Any]:
    """Return a tensor, an array, a number or a list of numbers as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    return np.asarray(value)


def _dtype(value: Any) -> str:
    if hasattr(value, "detach"):
        return str(value.dtype).removeprefix("torch.")
    return str(np.asarray(value).dtype)


def _failure(name: str, tolerance: Tolerance, message: str) -> Comparison:
    return Comparison(name, False, tolerance, message=message)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
