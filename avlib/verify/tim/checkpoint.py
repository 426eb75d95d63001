"""Golden cases of checkpoints that the published program has written."""

import re
from collections.abc import Iterator
from typing import Any

import torch

from avlib.errors import DataError
from avlib.io.checkpoints import foreign_names, imported_names, load_checkpoint
from avlib.tim.checkpoint import load_tim, read_position
from avlib.training.schedules import warm_cosine_rate
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.tim.network import build, quoted_inputs

QUERIES = re.compile(r"(\d+) visual and (\d+) audio queries")
ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5}
EVERY = re.compile(rf"tokens: every ({'|'.join(ORDINALS)}) ")


def checkpoint(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare what is read of a checkpoint, and what the network in it computes."""
    c, path = case.content, case.path.with_suffix(".pth.tar")
    content: Any = load_checkpoint(path, allows_foreign=True)
    group = dict(content["optimizer"]["param_groups"][0])
    results = {
        "all_globals": imported_names(path),
        "foreign_globals": foreign_names(path),
        "keys": list(content),
        "epoch": content["epoch"],
        "lr_scheduler": content["lr_scheduler"],
        "warmup": content["warmup_scheduer"],
        "best_acc1": content["best_acc1"],
        "num_params_in_optimizer": len(group.pop("params")),
        "optimizer_group": group | {"betas": list(group["betas"])},
    }
    for name, result in results.items():
        yield compare_exactly(name, result, c[name])
    at = read_position(path)
    rate = warm_cosine_rate(
        at.step,
        base_rate=at.base_rate,
        end_rate=at.end_rate,
        total_steps=at.total_steps,
        warmup_steps=at.warmup_steps,
    )
    yield compare("learning rate", [rate], c["warmup"]["lrs"], case.tolerance("lr"))
    yield from _outputs(case, numerics)


@torch.inference_mode()
def _outputs(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    c, arrays = case.content, case.own_arrays()
    sizes = QUERIES.search(c["inputs"])
    if sizes is None:
        raise DataError(f"{case.path}: 'inputs' does not tell the numbers of queries")
    config = c["config"]
    path = case.path.with_suffix(".pth.tar")
    model = load_tim(path, nhead=config["nhead"], num_feats=config["num_feats"]).eval()
    with torch.device("meta"):
        expected = build(config).state_dict()
    for name, value in model.state_dict().items():
        yield compare_exactly(f"{name} shape", value.shape, expected[name].shape)
    model.to(numerics.device, numerics.dtype)
    features = quoted_inputs(c["inputs"], c["seed"])
    placed = {name: x.to(numerics.device, numerics.dtype) for name, x in features.items()}
    vectors = model.time_vectors(
        torch.from_numpy(arrays["times"]).to(numerics.device, numerics.dtype)
    )
    visual, audio = placed.get("visual"), placed.get("audio")
    output = model.encode(visual, audio, vectors, int(sizes[1]), int(sizes[2]), keeps_tokens=True)
    assert output.tokens is not None
    kept = EVERY.search(c.get("arrays", ""))
    results = {"tokens": output.tokens[:, :: ORDINALS[kept[1]] if kept else 1]}
    for name in ("verb", "noun", "action", "audio"):
        logits = getattr(output, name)
        if logits is not None:
            results[name] = logits.flatten(0, 1)
    for name, result in results.items():
        yield compare(name, result, arrays[name], case.tolerance(name))
