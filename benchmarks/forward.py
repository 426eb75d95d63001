"""Forward pass of Auditory SlowFast: the plain float32 module against the copy for inference.

Published size, weights by rule, 28 classes as for AVE, one thread, batches as in extraction.

    .venv/bin/python benchmarks/forward.py
"""

import torch
from measure import best_cpu_seconds, describe, write_result
from threadpoolctl import threadpool_limits

from avlib.extractors.auditory_slowfast.extraction import BATCH_SIZE
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast, fold_batch_norm
from avlib.verify.rule import Fill, fill_by_rule
from avlib.verify.sources import rule_array

ROUNDS = 10


@torch.inference_mode()
def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    model = AuditorySlowFast(num_classes=[28], width=64).eval()
    fill_by_rule(model, Fill(0))
    folded = fold_batch_norm(model)
    x = torch.from_numpy(rule_array("asf/x_ave", (BATCH_SIZE, 1, 200, 128), 0, 2.0) - 5.0)
    plain_features, features = model.features(x), folded.features(x)
    excess = (features - plain_features).abs() / (2e-5 + 1e-5 * plain_features.abs())
    with threadpool_limits(1):
        seconds = best_cpu_seconds(
            {"plain": lambda: model.features(x), "folded": lambda: folded.features(x)}, ROUNDS
        )
    result = {
        "batch": BATCH_SIZE,
        "plain module, CPU ms per item": round(1000 * seconds["plain"] / BATCH_SIZE, 1),
        "for inference, CPU ms per item": round(1000 * seconds["folded"] / BATCH_SIZE, 1),
        "times faster": round(seconds["plain"] / seconds["folded"], 2),
        "largest difference of features": float(f"{(features - plain_features).abs().max():.1e}"),
        "in units of the tolerance 2e-5 + 1e-5 |x|": round(float(excess.max()), 2),
    }
    write_result("forward", result, "torch")


if __name__ == "__main__":
    main()
