"""Stage summarise_variants: the scores of all variants on LLP, side by side."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avlib.errors import DataError
from avlib.io.atomic import write_json
from avlib.io.hashes import file_hash
from avlib.valor.metrics import TABLE
from avlib.valor.recipes import PARSER_RECIPES

SPLIT = "test"
BASELINE = "han"
GAINS = ("Seg-type", "Event-type")
PUBLISHED = (
    "Published scores are those of the papers, of their weights on the 1200 test videos of LLP: "
    "UWAV (arXiv 2505.09615), tables 1 and A6; of valor+ VALOR (arXiv 2305.17343), not compared "
    "with print."
)

VariantScores = Mapping[str, float | None]  # by name, in the order of TABLE


def summarise_variants(metrics: Mapping[str, Path], target: Path) -> None:
    """Write the scores of all variants into one file.

    `variants` has for each variant `scores`; `published`: scores reported in papers, null if there
    are none; `gain_over_han`: difference of its Type scores from those of the baseline, null
    without a baseline; and `models`: how its weights were made.

    Args:
        metrics: `test_metrics.json` of each variant, a key of PARSER_RECIPES.
        target: JSON file to write.

    Raises:
        DataError: if a file is no metrics file of the parser, or the files are of different studies
            or settings.
    """
    found = {variant: _read(path) for variant, path in metrics.items()}
    study = {name: _common(name, found, metrics) for name in ("study", "config_hash")}
    scores: dict[str, VariantScores] = {
        variant: {name: content["metrics"][SPLIT][name] for name in TABLE}
        for variant, content in found.items()
    }
    variants = {
        variant: {
            "scores": scores[variant],
            "published": _published(variant),
            "gain_over_han": _gain(scores[variant], scores.get(BASELINE)),
            "models": content["models"],
        }
        for variant, content in found.items()
    }
    notes = [note for content in found.values() for note in content["notes"]]
    content = {
        **study,
        "split": SPLIT,
        "variants": variants,
        "notes": [*dict.fromkeys(notes), PUBLISHED],
        "inputs": {variant: file_hash(path) for variant, path in metrics.items()},
    }
    write_json(target, content)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a metrics file, with all fields that are used here."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        missing = {"study", "config_hash", "models", "notes"} - set(content)
        missing |= set(TABLE) - set(content["metrics"][SPLIT])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(
            f"{path}: no metrics file of the parser ({reason}); evaluate the variant again"
        ) from error
    if missing:
        raise DataError(
            f"{path}: holds no {', '.join(sorted(missing))}; evaluate the variant again"
        )
    return content


def _common(name: str, found: Mapping[str, Any], metrics: Mapping[str, Path]) -> Any:
    """Return a field that has to be equal in all files."""
    (first, value), *others = ((variant, content[name]) for variant, content in found.items())
    for variant, other in others:
        if other != value:
            raise DataError(
                f"{metrics[variant]}: {name} is {other!r}, but {value!r} in {metrics[first]}; "
                "evaluate all variants with the same settings"
            )
    return value


def _published(variant: str) -> VariantScores | None:
    scores = PARSER_RECIPES[variant].published_scores
    return None if scores is None else dict(zip(TABLE, scores, strict=True))


def _gain(scores: VariantScores, baseline: VariantScores | None) -> VariantScores | None:
    """Return the differences of both Type scores from the baseline; None without a score."""
    if baseline is None:
        return None
    pairs = {name: (scores[name], baseline[name]) for name in GAINS}
    return {n: None if a is None or b is None else a - b for n, (a, b) in pairs.items()}
