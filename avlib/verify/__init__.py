"""Golden cases against the installed library.

A case is a sidecar .json that says what was run, with the numbers that came out in an .npz beside
it. Each system is a module with two functions: `recognise(case)` returns the kind of a case, from
its content and never from its file name, or None; `run(kind, case, numerics)` yields comparisons.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch

from avlib.errors import AvlibError, ConfigError, DataError
from avlib.extractors.clap.embeddings import Backend
from avlib.extractors.clap.laion import require_package
from avlib.verify import auditory_slowfast, runner, soundtracks, tim, valor, visual
from avlib.verify.cases import CaseError, read_json
from avlib.verify.golden import Comparison, read_cases
from avlib.verify.operations import Numerics

# In this order: the keys that tell the cases of the first are in no case of another system.
SYSTEMS = {
    "visual": visual,
}
REGISTERED = (auditory_slowfast, soundtracks, tim, valor)  # importing registered operations
UNKNOWN = "not recognised"
WIDTHS = ("<18", "<22", "<58", ">9", ">9", "<23")  # of the columns before the result


def verify(
    paths: Sequence[Path],
    *,
    device: str,
    dtype: str,
    clap_backend: Backend = "transformers",
    data: Path | None = None,
    out: Callable[[str], None] = print,
) -> bool:
    """Run golden cases and print a line for every array of every case.

    Args:
        paths: sidecars, or folders that are searched for them.
        device: where networks run, as torch names it; TensorFloat-32 is switched off.
        dtype: precision of networks: float32, bfloat16 or float64.
        clap_backend: package that runs CLAP.
        data: folder of public data that some cases need; by default `data` beside the folder of
            golden cases.
        out: takes one line of the report.

    Returns:
        Whether there were cases and all of them were recognised and passed.

    Raises:
        ConfigError: if the device does not exist here, or the package is not installed.
    """
    if clap_backend == "laion_clap":
        require_package()
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {device}: {str(error).splitlines()[0]}") from error
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    numerics = Numerics(torch.device(device), getattr(torch, dtype), clap_backend)
    counts: Counter[str] = Counter()
    sidecars = 0
    out(_line("system", "case", "array", "abs diff", "rel diff", "tolerance", "result"))
    for path in _sidecars(paths):
        sidecars += 1
        if is_format_1(path):
            counts += runner.run_file(path, numerics, data, out)
            continue
        for system, case_id, comparison in _check(path, numerics):
            counts[runner.PASS if comparison.passed else runner.FAIL] += 1
            out(_report(system, case_id, comparison))
    passed, failed = counts[runner.PASS], counts[runner.FAIL]
    told = f"{sidecars} sidecars, {passed} comparisons passed, {failed} failed"
    out(f"{told}, {counts[runner.SKIP]} skipped, {counts[runner.INFORMATION]} informational")
    if not sidecars:
        out(f"no sidecar (.json) in {', '.join(map(str, paths))}")
    return passed > 0 and failed == 0


def is_format_1(path: Path) -> bool:
    """Say whether a file of golden cases is in format 1, not in the format before it."""
    try:
        return "format" in read_json(path)
    except CaseError:
        return False


def _sidecars(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path]


def _check(path: Path, numerics: Numerics) -> Iterator[tuple[str, str, Comparison]]:
    """Yield system, case and comparison for all that a sidecar holds."""
    try:
        cases = read_cases(path)
    except DataError as error:
        yield UNKNOWN, path.name, Comparison("", False, message=str(error))
        return
    for case in cases:
        for name, system in SYSTEMS.items():
            kind = system.recognise(case)
            if kind is not None:
                comparisons = system.run(kind, case, numerics)
                yield from ((name, case.id, c) for c in _caught(comparisons))
                break
        else:
            message = f"{path.name}: no system knows a case with the keys {sorted(case.content)}"
            yield UNKNOWN, case.id, Comparison("", False, message=message)


def _caught(comparisons: Iterable[Comparison]) -> Iterator[Comparison]:
    """Yield `comparisons`, and what stops them as one that failed."""
    count = 0
    try:
        for comparison in comparisons:
            count += 1
            yield comparison
        if not count:
            yield Comparison("", False, message="nothing to compare")
    except AvlibError as error:
        yield Comparison("", False, message=str(error))
    except KeyError as error:
        yield Comparison("", False, message=f"the sidecar, or the .npz beside it, lacks {error}")
    except Exception as error:  # a case must not stop those after it
        yield Comparison("", False, message=f"{type(error).__name__}: {error}")


def _report(system: str, case_id: str, comparison: Comparison) -> str:
    sizes = (comparison.absolute, comparison.relative)
    result = "pass" if comparison.passed else "FAIL"
    if comparison.message:
        result += f"  {' '.join(comparison.message.split())}"
    return _line(
        system,
        case_id,
        comparison.array,
        *("-" if size is None else f"{size:.2e}" for size in sizes),
        str(comparison.tolerance),
        result,
    )


def _line(*columns: str) -> str:
    *aligned, result = columns
    return " ".join([f"{text:{w}}" for text, w in zip(aligned, WIDTHS, strict=True)] + [result])
