"""Provenance of results: fingerprints of the code, and versions of packages."""

import ast
import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock

from avlib import __version__

_PARSING = Lock()  # Python's parser counts its depth for all threads together
PACKAGES = ("torch", "numpy", "av", "h5py", "soxr", "snakemake")


@cache
def code_fingerprint(*modules: str) -> str:
    """Return a digest of modules and of every avlib module that they import, however deep.

    It is taken from syntax trees without documentation, so comments and layout do not count.
    Modules are read, not imported.
    """
    seen: set[str] = set()
    pending = list(modules)
    digest = hashlib.sha1()
    with _PARSING:
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                pending.extend(_imports(name))
        for name in sorted(seen):
            digest.update(f"{name}\n{_syntax(name)}\n".encode())
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
def _tree(name: str) -> ast.Module:
    path = _source(name)
    if path is None:
        raise ImportError(f"no module {name} to take the fingerprint of")
    return ast.parse(path.read_text("utf-8"))


@cache
def _imports(name: str) -> tuple[str, ...]:
    found = []
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("avlib"):
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("avlib")]
    return tuple(module for module in found if module and _source(module))


@cache
def _syntax(name: str) -> str:
    tree = _tree(name)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body.pop(0)
    return ast.dump(tree)


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
