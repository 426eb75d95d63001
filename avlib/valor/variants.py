"""Stage summarise_variants: the scores of all variants of the parser of LLP, side by side."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avlib.errors import DataError
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash
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

Scores = Mapping[str, float | None]


def summarise_variants(metrics: Mapping[str, Path], target: Path) -> None:
    """Write the scores of all variants into one file.

    `variants` has for each one `scores`; `published`, what the papers report, null where they do
    not; `gain_over_han`, how many points its Types are above those of the baseline, null without
    one; and `models`, how its weights were made.

    Args:
        metrics: `test_metrics.json` of each variant, a key of PARSER_RECIPES.
        target: JSON file to write.

    Raises:
        DataError: if a file is no metrics file of the parser, or they are of several studies or
            settings.
    """
    found = {variant: _read(path) for variant, path in metrics.items()}
    study = {name: _common(name, found, metrics) for name in ("study", "config_hash")}
    scores: dict[str, Scores] = {
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
    """Return a metrics file that has all that is read from it."""
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
    """Return the value that all files have in common."""
    (first, value), *others = ((variant, content[name]) for variant, content in found.items())
    for variant, other in others:
        if other != value:
            raise DataError(
                f"{metrics[variant]}: {name} is {other!r}, but {value!r} in {metrics[first]}; "
                "evaluate all variants with the same settings"
            )
    return value


def _published(variant: str) -> Scores | None:
    scores = PARSER_RECIPES[variant].published_scores
    return None if scores is None else dict(zip(TABLE, scores, strict=True))


def _gain(scores: Scores, baseline: Scores | None) -> Scores | None:
    """Return the differences of both Types from the baseline; None where there is no score."""
    if baseline is None:
        return None
    pairs = {name: (scores[name], baseline[name]) for name in GAINS}
    return {n: None if a is None or b is None else a - b for n, (a, b) in pairs.items()}
