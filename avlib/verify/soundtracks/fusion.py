"""Golden cases of soundtrack scores and their fusion with the scores of the pictures."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from avlib.soundtracks.fusion_metrics import (
    Paired,
    pool_clips,
    published_labels,
    soundtrack_metrics,
    sweep,
    top_metrics,
    weight_grid,
)
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.soundtracks.expressions import evaluate
from avlib.verify.tolerance import EXACT, Tolerance


def fusion(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare pooled scores and their accuracies, and the whole sweep over the weights."""
    yield from _averaging(case)
    yield from _sweep(case)


def _averaging(case: Case) -> Iterator[Comparison]:
    c, golden = case.content["averaging"], case.own_arrays()
    clips = [soundtrack["clips"] for soundtrack in c["soundtracks_in_order"]]
    labels = [soundtrack["label"] for soundtrack in c["soundtracks_in_order"]]
    scores = pool_clips(evaluate(c["clip_scores"], c), clips)
    parsed = case.tolerance("scores", "soundtrack_scores")
    tolerance = Tolerance(0.0, parsed.relative or parsed.absolute)
    yield compare("soundtrack_scores", scores, golden["soundtrack_scores"], tolerance)
    counted = published_labels(labels, clips).tolist()
    yield compare_exactly("soundtrack_labels", counted, golden["soundtrack_labels"].tolist())
    found = soundtrack_metrics(scores, labels, clips)["reference"]
    for name in ("top1", "top5"):
        yield compare_exactly(f"soundtracks {name}", found[name], c[name])


def _sweep(case: Case) -> Iterator[Comparison]:
    c, golden = case.content["fusion"], case.own_arrays()
    labels = golden["ground_truth"].astype(np.int64)
    symbols = {
        **c,
        "N": c["n"],
        "C": c["n_classes"],
        "ground_truth": labels,
        "onehot": lambda classes: np.eye(c["n_classes"])[classes],
    }
    audio: NDArray[np.float64] = evaluate(c["audio"], symbols).astype(np.float64)
    audio[golden["zero_rows"]] = 0.0
    video = evaluate(c["video"], symbols).astype(np.float32)
    pairs = Paired(audio, video, labels)
    result = sweep(pairs, weight_grid(stop=len(golden["sweep"]) - 1))
    yield compare("sweep", result.rows(), golden["sweep"], EXACT)
    best = result.rows()[result.best()]
    yield compare_exactly("best_record", best.tolist(), c["best_record"])
    direct = top_metrics(pairs.fused(float(best[0])), labels)
    yield compare_exactly("best, fused", [direct["top1"], direct["top5"]], best[1:3].tolist())
