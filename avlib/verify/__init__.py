"""Golden cases against the installed library; `docs/golden_cases.md` has their format."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from avlib.errors import ConfigError
from avlib.extractors.clap.embeddings import Backend
from avlib.extractors.clap.laion import require_package
from avlib.extractors.weights import allow_tf32
from avlib.verify import auditory_slowfast, runner, soundtracks, visual
from avlib.verify.operations import Numerics
from avlib.verify.packages import efficientnet_lite0, words, yamnet
from avlib.verify.retrieval import annotations, egovlp, rankings, sounds, weights
from avlib.verify.tim import facts, networks, scores, training, windows
from avlib.verify.valor import labels, parser, teachers

# Importing them registered their operations.
REGISTERED = (
    *(auditory_slowfast, soundtracks, visual),
    *(facts, networks, scores, training, windows),
    *(labels, parser, teachers),
    *(annotations, egovlp, rankings, sounds, weights),
    *(efficientnet_lite0, words, yamnet),
)


def verify(
    paths: Sequence[Path],
    *,
    device: str,
    dtype: str,
    clap_backend: Backend = "transformers",
    data: Path | None = None,
    out: Callable[[str], None] = print,
) -> bool:
    """Run golden cases and print a line for everything that they expect.

    Args:
        paths: files of cases, or folders that are searched for them.
        device: where networks run, as torch names it; TensorFloat-32 is switched off.
        dtype: precision of networks whose case gives none: float32, bfloat16 or float64.
        clap_backend: package that runs CLAP.
        data: folder of public data that some cases need; by default `data` beside the folder of
            golden cases.
        out: takes one line of the report.

    Returns:
        Whether something passed and nothing failed.

    Raises:
        ConfigError: if the device does not exist here, or the package is not installed.
    """
    numerics = _numerics(device, dtype, clap_backend)
    counts: Counter[str] = Counter()
    out(runner.header())
    files = list(_files(paths))
    for path in files:
        counts += runner.run_file(path, numerics, data, out)
    if not files:
        out(f"no file of cases (.json) in {', '.join(map(str, paths))}")
    passed, failed = counts[runner.PASS], counts[runner.FAIL]
    others = f"{counts[runner.SKIP]} skipped, {counts[runner.INFORMATION]} informational"
    out(f"{len(files)} files, {passed} comparisons passed, {failed} failed, {others}")
    return passed > 0 and failed == 0


def _numerics(device: str, dtype: str, clap_backend: Backend) -> Numerics:
    """Return where and how networks run, after a look at whether they can."""
    if clap_backend == "laion_clap":
        require_package()
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {device}: {str(error).splitlines()[0]}") from error
    allow_tf32(False)
    return Numerics(torch.device(device), getattr(torch, dtype), clap_backend)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path]
