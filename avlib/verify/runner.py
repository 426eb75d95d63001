"""Run of golden cases: every case through its operation, a line for everything expected."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from avlib.errors import AvlibError, ConfigError
from avlib.verify.cases import Case, CaseError, MissingSourceError, read_cases
from avlib.verify.comparison import Comparison, compare
from avlib.verify.operations import OPERATIONS, Numerics

WIDTHS = ("<18", "<28", "<46", ">9", "<20")  # of the columns before the result
HEADER = ("system", "case", "expected", "abs diff", "tolerance", "result")
PASS, FAIL, SKIP, INFORMATION = "pass", "FAIL", "skip", "info"  # results


def run_file(
    path: Path, numerics: Numerics, data: Path | None, out: Callable[[str], None]
) -> Counter[str]:
    """Run the cases of a file; return how many comparisons had which result.

    Args:
        path: the .json file.
        numerics: where and in which precision networks run.
        data: folder of public data that some cases need.
        out: takes one line of the report.
    """
    counts: Counter[str] = Counter()
    try:
        cases = read_cases(path, data)
    except AvlibError as error:
        out(_line("", path.name, Comparison("", False, message=str(error)), FAIL))
        return Counter({FAIL: 1})
    for case in cases:
        for comparison in run_case(case, numerics):
            failure = INFORMATION if case.content.get("informational") else FAIL
            result = PASS if comparison.passed else SKIP if comparison.skipped else failure
            counts[result] += 1
            out(_line(case.content["system"], case.id, comparison, result))
    return counts


def run_case(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Yield the comparisons of a case, or one that says why there are none."""
    is_refused = bool(case.content.get("refused"))
    try:
        operation = OPERATIONS.get(case.key)
        if operation is None:
            message = f"no operation {case.key[1]!r} of the system {case.key[0]!r}"
            raise CaseError(f"{message}; `verify --list` names all")
        results = operation.run(case.content["arguments"], case.inputs(), numerics)
    except MissingSourceError as error:
        yield Comparison("", False, message=str(error), skipped=True)
    except (CaseError, ConfigError) as error:
        yield Comparison("", False, message=str(error))
    except AvlibError as error:
        yield Comparison("refused", is_refused, message="" if is_refused else str(error))
    except Exception as error:  # a case must not stop those after it
        yield Comparison("", False, message=f"{type(error).__name__}: {error}")
    else:
        if is_refused:
            yield Comparison("refused", False, message="the operation took the case's data")
        for name, entry in case.content.get("expected", {}).items():
            yield compare(name, entry, results, case.arrays)


def header() -> str:
    """Return the names of the columns of a report."""
    return _columns(*HEADER)


def listed() -> Iterator[str]:
    """Yield a line for each operation: system, name and arguments."""
    for (system, name), operation in sorted(OPERATIONS.items()):
        yield f"{system:20} {name:24} {operation}".rstrip()


def _line(system: str, case_id: str, comparison: Comparison, result: str) -> str:
    size = "-" if comparison.absolute is None else f"{comparison.absolute:.2e}"
    if comparison.message:
        result += f"  {' '.join(comparison.message.split())}"
    return _columns(system, case_id, comparison.name, size, str(comparison.tolerance), result)


def _columns(*columns: str) -> str:
    *aligned, last = columns
    return " ".join([f"{text:{w}}" for text, w in zip(aligned, WIDTHS, strict=True)] + [last])
