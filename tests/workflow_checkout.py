"""A folder in which tests run the real Snakefile."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKFLOW = ("avlib", "rules", "workflow_scripts", "profiles", "configs", "docs", "envs")

EMPTY_OUTPUTS = """
from pathlib import Path

for path in map(Path, snakemake.output):
    path.touch() if path.suffix else path.mkdir(parents=True)
"""


class Checkout:
    """A folder in which the workflow runs, with an overlay of its own.

    Args:
        folder: where results go.
        overlay: text of the overlay.
        target: of a run, or several in one string; None for what `make ave` makes.
        root: checkout whose Snakefile runs.
    """

    def __init__(
        self, folder: Path, overlay: str, target: str | None = None, root: Path = ROOT
    ) -> None:
        self.folder, self.target, self.root = folder, target, root
        (folder / "overlay.yaml").write_text(overlay)

    def command(self, *config: str, target: str | None = None) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "--cores", "2"]
        snakemake += ["--snakefile", str(self.root / "Snakefile"), "--directory", str(self.folder)]
        snakemake += ["--workflow-profile", str(self.root / "profiles" / "default")]
        overlays = [str(self.root / "config.yaml"), str(self.folder / "overlay.yaml")]
        snakemake += ["--configfile", *overlays]
        snakemake += ["--config", *config] if config else []
        wanted = target or self.target
        return [*snakemake, "--", *(wanted.split() if wanted else [])]

    def run(self, *config: str, target: str | None = None) -> subprocess.CompletedProcess[str]:
        command = self.command(*config, target=target)
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def jobs(self, *config: str) -> dict[str, int]:
        """Run, and return how often each rule ran."""
        run = self.run(*config)
        assert run.returncode == 0, run.stderr
        rules = re.findall(r"^(?:local)?rule (\w+):$", run.stderr, re.MULTILINE)
        return {rule: rules.count(rule) for rule in set(rules)}

    def run_and_kill(self, rule: str, seconds: float) -> None:
        """Run, and kill all processes some seconds after the first job of a rule begins."""
        process = subprocess.Popen(
            self.command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun = any(re.fullmatch(f"(local)?rule {rule}:\n", line) for line in process.stderr)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert begun, f"no job of {rule} began"

    def results(self) -> dict[str, str]:
        """Return a digest of every result but hidden files."""
        results = self.folder / "results"
        return {
            str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(results.rglob("*"))
            if path.is_file() and not any(part.startswith(".") for part in path.parts)
        }


class EditedCheckout(Checkout):
    """A copy of the workflow, to edit, whose jobs do nothing but write empty outputs.

    Args:
        folder: where the copy and its results go.
        overlay: text of the overlay.
        target: as Checkout has it.
    """

    def __init__(self, folder: Path, overlay: str, target: str | None = None) -> None:
        root = folder / "checkout"
        ignored = shutil.ignore_patterns("__pycache__")
        for name in WORKFLOW:
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        for name in ("Snakefile", "config.yaml", "README.md"):
            shutil.copy(ROOT / name, root / name)
        for script in (root / "workflow_scripts").glob("*.py"):
            script.write_text(EMPTY_OUTPUTS)
        super().__init__(folder, overlay, target, root)

    def run(self, *config: str, target: str | None = None) -> subprocess.CompletedProcess[str]:
        # Snakemake imports the copy of avlib, which lies in its working directory.
        command = self.command(*config, target=target)
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the first `old` in a file of the copy."""
        path = self.root / name
        text = path.read_text()
        assert old in text, f"{name} lacks {old!r}"
        path.write_text(text.replace(old, new, 1))

    def write(self, name: str, text: str) -> None:
        """Write a new file of the copy."""
        path = self.root / name
        assert not path.exists(), f"{name} is not new"
        path.write_text(text)

    def planned(self, *config: str) -> set[tuple[str, str]]:
        """Return rule and first output of each job that a run would do; targets have no output."""
        command = self.command(*config)
        command.insert(command.index("--cores"), "--dry-run")
        run = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        blocks = re.split(r"\n(?=(?:local)?rule \w+:\n)", run.stdout + run.stderr)[1:]
        found = set()
        for block in blocks:
            output = re.search(r"^    output: ([^,\n]+)", block, re.MULTILINE)
            if output:
                found.add((block.split("rule ")[1].split(":")[0], output[1]))
        return found
