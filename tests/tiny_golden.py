"""Golden cases for tests: runs of files, and changed copies of them."""

import json
import shutil
from pathlib import Path

import numpy as np

from avlib.verify import verify
from avlib.verify.cases import read_cases

GOLDEN = Path(__file__).parent / "golden"


def contents(path):
    """Return the cases of a file below GOLDEN by id, with the file's defaults."""
    return {case.id: case.content for case in read_cases(GOLDEN / path)}


def run(*paths, **options):
    """Return whether cases pass, and the lines of the report."""
    lines = []
    passed = verify(paths, **({"device": "cpu", "dtype": "float32"} | options), out=lines.append)
    return passed, lines


def failures(*paths, **options):
    """Return the lines of what fails."""
    passed, lines = run(*paths, **options)
    found = [line for line in lines if " FAIL" in line]
    assert passed == (not found)
    return found


def changed(path, folder, change, kept=None):
    """Copy a file below GOLDEN with other content; return the copy.

    Args:
        path: of the .json file.
        folder: to copy to.
        change: changes the cases by id, and the arrays, in place.
        kept: ids of the cases that are kept; all by default.
    """
    content = json.loads((GOLDEN / path).read_text())
    cases = content.setdefault("cases", [{"id": Path(path).stem}])
    if "expected" in content:
        cases[0]["expected"] = content.pop("expected")
    content["cases"] = [case for case in cases if kept is None or case["id"] in kept]
    arrays = {}
    if "arrays" in content:
        with np.load((GOLDEN / path).with_name(content["arrays"])) as stored:
            arrays = dict(stored)
    by_id = {case["id"]: case for case in content["cases"]}
    for case in by_id.values():
        case.setdefault("arguments", {})
    change(by_id, arrays)
    copy = folder / Path(path).name
    copy.write_text(json.dumps(content))
    if arrays:
        np.savez(folder / content["arrays"], **arrays)
    return copy


def copy_with(path, folder, *others):
    """Copy a file below GOLDEN, without its arrays, and other files beside it."""
    for name in (Path(path).name, *others):
        shutil.copy((GOLDEN / path).with_name(name), folder)
    return folder / Path(path).name
