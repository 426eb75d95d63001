"""Convert golden sidecars of the old format to format 1.

    python tests/golden/convert_sidecars.py SOURCE TARGET

SOURCE is a folder, searched for .json files, or one such file. What a sidecar says in a way that
is not understood is refused by name, and the rest goes on; the exit code is then 1. Files that
are in format 1 already, and files that sidecars speak of, are copied.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from converters import SYSTEMS
from converters.sidecar import Converted, Refused, Sidecar, read_sidecar


def convert_folder(source: Path, target: Path, data: Path | None = None) -> int:
    """Convert all sidecars below `source`; return how many were refused."""
    root = source if source.is_dir() else source.parent
    paths = sorted(source.rglob("*.json")) if source.is_dir() else [source]
    refused = 0
    if source.is_dir():
        copy_others(source, target)
    for path in paths:
        to = target / path.relative_to(root)
        try:
            said = convert_file(path, to, data)
        except Refused as error:
            refused += 1
            said = f"REFUSED  {error}"
        except Exception as error:  # one sidecar must not stop the others
            refused += 1
            said = f"REFUSED  {type(error).__name__}: {error}"
        print(f"{path.relative_to(root)}: {said}")
    print(f"{len(paths)} sidecars, {refused} refused")
    return refused


def copy_others(source: Path, target: Path) -> None:
    """Copy files that sidecars may speak of."""
    if source.resolve() == target.resolve():
        return
    for path in source.rglob("*"):
        is_arrays = path.suffix == ".npz" and path.with_suffix(".json").exists()
        is_other = path.is_file() and path.suffix not in {".json", ".py", ".pyc"}
        if is_other and not is_arrays:
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)


def convert_file(path: Path, to: Path, data: Path | None = None) -> str:
    """Convert one sidecar; return what became of it."""
    sidecar = read_sidecar(path, data)
    to.parent.mkdir(parents=True, exist_ok=True)
    if sidecar.content.get("format") == 1:
        copy_pair(path, to, with_json=True)
        return "in format 1 already"
    system, converted = convert(sidecar)
    write(sidecar, converted, to)
    cases = converted.content.get("cases", [converted.content])
    entries = sum(len(case.get("expected", ())) or 1 for case in cases)
    return f"{system}, {len(cases)} cases, {entries} expected"


def convert(sidecar: Sidecar) -> tuple[str, Converted]:
    """Return the system of a sidecar and its content in format 1.

    The system is told from the content; the names of folders only say which is tried first.
    """
    folders = sidecar.path.resolve().parts
    for name, system in sorted(SYSTEMS.items(), key=lambda item: item[0] not in folders):
        converted = system.convert(sidecar)
        if converted is not None:
            return name, converted
    raise Refused(f"no system knows a sidecar with the keys {sorted(sidecar.content)}")


def write(sidecar: Sidecar, converted: Converted, to: Path) -> None:
    """Write the .json, and the arrays beside it: as they are where they are the old ones."""
    content = {"format": 1}
    if converted.arrays:
        content["arrays"] = to.with_suffix(".npz").name
        is_same = converted.arrays.keys() == sidecar.arrays.keys() and all(
            array is sidecar.arrays[name] for name, array in converted.arrays.items()
        )
        if is_same:
            copy_pair(sidecar.path, to, with_json=False)
        else:
            np.savez_compressed(to.with_suffix(".npz"), **converted.arrays)
    else:
        to.with_suffix(".npz").unlink(missing_ok=True)
    text = compact(json.loads(json.dumps(content | converted.content, default=plain)))
    to.write_text(text + "\n", encoding="utf-8")


def copy_pair(path: Path, to: Path, *, with_json: bool) -> None:
    for suffix in (".json", ".npz") if with_json else (".npz",):
        found, target = path.with_suffix(suffix), to.with_suffix(suffix)
        if found.exists() and found.resolve() != target.resolve():
            shutil.copy(found, target)


def plain(value):
    """Return a value of numpy's as JSON has it."""
    return value.tolist()


def compact(value, indent: str = "", width: int = 110) -> str:
    """Return JSON in which what fits a line stands on one."""
    line = json.dumps(value)
    inner = indent + " "
    if len(indent) + len(line) <= width or not isinstance(value, dict | list) or not value:
        return line
    if isinstance(value, dict):
        rows = [f"{json.dumps(k)}: {compact(v, inner, width)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner + row for row in rows) + "\n" + indent + "}"
    if all(not isinstance(v, dict | list) for v in value):
        rows, row = [], ""
        for item in map(json.dumps, value):
            if row and len(inner) + len(row) + len(item) > width:
                rows.append(row.rstrip())
                row = ""
            row += f"{item}, "
        rows.append(row.removesuffix(", "))
        return "[\n" + "\n".join(inner + row for row in rows) + "\n" + indent + "]"
    return "[\n" + ",\n".join(inner + compact(v, inner, width) for v in value) + "\n" + indent + "]"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of sidecars, or one sidecar")
    parser.add_argument("target", type=Path, help="folder to write to; may be the same")
    parser.add_argument("--data", type=Path, help="folder of public files that sidecars speak of")
    options = parser.parse_args()
    if not options.source.exists():
        parser.error(f"{options.source}: no such file or folder")
    return 1 if convert_folder(options.source, options.target, options.data) else 0


if __name__ == "__main__":
    sys.exit(main())
