"""A folder in which tests run the real Snakefile."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Checkout:
    """A folder in which the workflow runs, with an overlay of its own.

    Args:
        folder: where results go.
        overlay: text of the overlay.
        target: what a run is asked for; None for what `make ave` makes.
    """

    def __init__(self, folder: Path, overlay: str, target: str | None = None) -> None:
        self.folder, self.target = folder, target
        (folder / "overlay.yaml").write_text(overlay)

    def command(self, *config: str, target: str | None = None) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "--cores", "2"]
        snakemake += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        snakemake += ["--workflow-profile", str(ROOT / "profiles" / "default")]
        snakemake += ["--configfile", str(ROOT / "config.yaml"), str(self.folder / "overlay.yaml")]
        snakemake += ["--config", *config] if config else []
        wanted = target or self.target
        return [*snakemake, "--", *([wanted] if wanted else [])]

    def run(self, *config: str, target: str | None = None) -> subprocess.CompletedProcess[str]:
        command = self.command(*config, target=target)
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def jobs(self, *config: str) -> dict[str, int]:
        """Run, and return how often each rule ran."""
        run = self.run(*config)
        assert run.returncode == 0, run.stderr
        rules = re.findall(r"^(?:local)?rule (\w+):$", run.stderr, re.MULTILINE)
        return {rule: rules.count(rule) for rule in set(rules)}

    def results(self) -> dict[str, str]:
        """Return a digest of every result but hidden files."""
        results = self.folder / "results"
        return {
            str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(results.rglob("*"))
            if path.is_file() and not any(part.startswith(".") for part in path.parts)
        }
