"""The import rule of docs/architecture.md, over all of avlib."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "avlib"
# From low to high. A module imports from lower rooms and from its own folder.
ROOMS = (
    {"root"},
    {"io"},
    {"media"},
    {"datasets", "evaluation"},
    {"training"},
    {"extractors"},  # what the networks share
    {"extractors/<network>"},
    {"extractors/registry"},
    {"tim", "soundtracks", "valor", "retrieval", "tagging"},
    {"studies"},
    {"workflow", "report", "verify", "predict", "top"},
)
TOP = {
    "api",
    "doctor",
    "embedded_items",
    "install_weights",
    "schemas",
    "study_search",
    "temporary_study",
    "__main__",
}
PURE = ("network", "metrics", "scores")  # no files, configuration or logging
IMPURE = {"pathlib", "logging", "h5py", "pandas", "pyarrow", "json", "os", "shutil"}


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("avlib", *parts)).removesuffix(".__init__")


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
BENCHMARKS = sorted((PACKAGE.parent / "benchmarks").glob("*.py"))
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def room(module: str) -> str:
    top, *inner = module.split(".")[1:] or ["root"]
    if not inner and f"avlib.{top}" not in PACKAGES:
        return "top" if top in TOP else "root"
    if top != "extractors" or not inner:
        return top
    if inner == ["registry"]:
        return "extractors/registry"
    return "extractors/<network>" if f"avlib.extractors.{inner[0]}" in PACKAGES else "extractors"


def folder(module: str) -> str:
    """Return the folder whose modules may import each other."""
    depth = 3 if room(module) == "extractors/<network>" else 2
    return ".".join(module.split(".")[:depth])


def level(module: str) -> int:
    return next(i for i, rooms in enumerate(ROOMS) if room(module) in rooms)


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, inside functions, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def may_import(module: str, other: str) -> bool:
    if level(module) != level(other):
        return level(module) > level(other)
    return folder(module) == folder(other) or room(module) in {"root", "top"}


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_go_down(name):
    own = {other for other in imports(MODULES[name]) if other in MODULES}
    assert not [other for other in sorted(own) if not may_import(name, other)]


@pytest.mark.parametrize("name", [m for m in MODULES if m.split(".")[-1] in PURE])
def test_networks_and_metrics_touch_no_files_configuration_or_logging(name):
    found = imports(MODULES[name])
    assert not {other.split(".")[0] for other in found} & IMPURE
    assert not [o for o in found if o in MODULES and o.split(".")[1] in {"io", "studies", "media"}]


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_init_of_a_shared_package_imports_nothing(name):
    if level(name) <= level("avlib.valor"):
        assert not imports(MODULES[name])


def test_the_library_does_not_know_snakemake():
    for path in MODULES.values():
        assert not [name for name in imports(path) if name.split(".")[0] == "snakemake"], path


def top_names(path: Path) -> set[str]:
    """Return the names that the top level of a module defines."""
    nodes = ast.parse(path.read_text("utf-8")).body
    names = {node.id for top in nodes for node in ast.walk(top) if isinstance(node, ast.Name)}
    return names | {node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)}


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmarks_import_only_what_the_library_has(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = {alias.name for alias in node.names} - top_names(MODULES[node.module])
            assert not [name for name in names if f"{node.module}.{name}" not in MODULES]


def test_modules_are_of_a_readable_size():
    for path in MODULES.values():
        assert len(path.read_text("utf-8").splitlines()) <= 400, path


def functions(folder: Path):
    """Yield file, class and definition of each function of a folder; the class may be None."""
    for path in sorted(folder.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        owners = {member: owner for owner in classes for member in owner.body}
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                yield path, owners.get(node), node


CODE = [PACKAGE, *(PACKAGE.parent / name for name in ("workflow_scripts", "benchmarks"))]


@pytest.mark.parametrize("folder", CODE, ids=lambda path: path.name)
def test_functions_fit_on_a_screen(folder):
    """With their docstrings, in 40 lines."""
    for path, _, function in functions(folder):
        assert function.end_lineno - function.lineno < 40, f"{path}: {function.name}"


@pytest.mark.parametrize("folder", CODE, ids=lambda path: path.name)
def test_functions_take_at_most_seven_arguments(folder):
    """But constructors of networks, which take all sizes, and operations, the keys of a case."""
    for path, owner, function in functions(folder):
        is_network = owner is not None and "nn.Module" in map(ast.unparse, owner.bases)
        if is_network or PACKAGE / "verify" in path.parents:
            continue
        given = function.args
        names = {a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
        assert len(names - {"self", "cls"}) <= 7, f"{path}: {function.name}"


WITHOUT_TORCH = [
    name
    for name in MODULES
    if room(name) in {"studies", "workflow", "extractors/registry"}
    or name.split(".")[-1] == "recipes"
    or name.split(".")[1:2] == ["report"]
    or name in {"avlib.tim.ave_metrics", "avlib.tim.event_metrics", "avlib.valor.evaluation"}
    or name in {"avlib.extractors.index", "avlib.soundtracks.fusion"}
]


def test_planning_counting_and_drawing_do_not_wait_for_torch():
    look = f"import sys, {', '.join(WITHOUT_TORCH)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
