import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "avlib"
# From low to high; a module may import from its own layer and from lower ones.
LAYERS = [
    "io",
    "media",
    "datasets",
    "models",
    "features",
    "training",
    "evaluation",
    "recognition",
    "report",
]
PURE = {"models", "evaluation"}
PURE_IMPORTS = {
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "sklearn",
    "math",
    "copy",
    "collections",
    "typing",
}


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name}


def modules(layer: str) -> list[Path]:
    return sorted((PACKAGE / layer).rglob("*.py"))


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_only_go_down(layer):
    higher = tuple(f"avlib.{name}" for name in LAYERS[LAYERS.index(layer) + 1 :])
    for path in modules(layer):
        assert not [name for name in imports(path) if name.startswith(higher)], path


@pytest.mark.parametrize("layer", sorted(PURE))
def test_models_and_evaluation_touch_no_files(layer):
    for path in modules(layer):
        packages = {name.split(".")[0] for name in imports(path)}
        own = {name for name in imports(path) if name.startswith("avlib")}
        assert packages - {"avlib"} <= PURE_IMPORTS | {
            "dataclasses",
            "functools",
            "platform",
            "re",
        }, path
        assert all(name.startswith(f"avlib.{layer}") for name in own), path


def test_the_library_does_not_know_snakemake():
    for path in PACKAGE.rglob("*.py"):
        assert not [name for name in imports(path) if name.startswith("snakemake")], path


def test_modules_are_of_a_readable_size():
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_planning_the_jobs_does_not_wait_for_torch():
    look = "import sys, avlib.workflow; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
