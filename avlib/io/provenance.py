"""Provenance of results: fingerprints of the code, and versions of packages."""

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from avlib import __version__
from avlib.errors import StorageError
from avlib.io.atomic import write_json

_PARSING = Lock()  # Python's parser counts its depth for all threads together
_THIS_FILE = Path(__file__).read_bytes()  # decides as well what is taken from a source
PACKAGES = ("torch", "numpy", "av", "h5py", "soxr", "snakemake")


class Syntax(NamedTuple):
    """What a fingerprint takes from a module.

    Attributes:
        source: digest of the file and of this one.
        tree: digest of its syntax tree without documentation.
        names: what it imports from this package: modules, and what may be modules.
    """

    source: str
    tree: str
    names: tuple[str, ...]


@cache
def code_fingerprint(*modules: str) -> str:
    """Return a digest of modules and of every avlib module that they import, however deep.

    It is taken from syntax trees without documentation, so comments and layout do not count.
    Modules are read, not imported; what was parsed is kept beside the byte code.
    """
    seen: dict[str, Syntax] = {}
    pending = list(modules)
    with _PARSING:
        before = dict(_kept())
        while pending:
            name = pending.pop()
            if name not in seen:
                seen[name] = _syntax(name)
                pending.extend(other for other in seen[name].names if _source(other))
        if _kept() != before:
            _keep()
    digest = hashlib.sha1()
    for name in sorted(seen):
        digest.update(f"{name} {seen[name].tree}\n".encode())
    return digest.hexdigest()[:16]


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that decide results."""
    return {"avlib": __version__} | {package: version(package) for package in PACKAGES}


@cache
def _source(name: str) -> Path | None:
    """Return the file of a module of this package, None for anything else."""
    root = Path(__file__).parents[1]
    path = root.joinpath(*name.split(".")[1:])
    candidates = [path.with_suffix(".py"), path / "__init__.py"]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache
def _syntax(name: str) -> Syntax:
    path = _source(name)
    if path is None:
        raise ImportError(f"no module {name} to take the fingerprint of")
    text = path.read_bytes()
    source = hashlib.sha1(_THIS_FILE + text).hexdigest()
    known = _kept().get(name)
    if known is None or known.source != source:
        tree = ast.parse(text)
        names = tuple(_imports(tree))
        _drop_documentation(tree)
        known = Syntax(source, hashlib.sha1(ast.dump(tree).encode()).hexdigest(), names)
        _kept()[name] = known
    return known


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("avlib"):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("avlib"))


def _drop_documentation(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body.pop(0)


def _kept_file() -> Path:
    package = Path(__file__).parents[1]
    return Path(cache_from_source(str(package / "syntax.py"))).with_suffix(".json")


@cache
def _kept() -> dict[str, Syntax]:
    """Return, by module, what earlier processes parsed; nothing where it cannot be read."""
    try:
        kept = json.loads(_kept_file().read_bytes())
        return {
            name: Syntax(source, tree, tuple(used)) for name, (source, tree, used) in kept.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _keep() -> None:
    """Write what was parsed, unless Python is to keep no byte code or the folder takes no file."""
    if not sys.dont_write_bytecode:
        with suppress(OSError, StorageError):
            write_json(_kept_file(), _kept())


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
