"""Golden cases of the training of the soundtrack networks: steps that stand for epochs."""

import re
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.resnet import BasicBlock

from avlib.soundtracks.network import ResNet, published_name
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.soundtracks.steps import build_optimizer, top_k_share, train_step
from avlib.training.schedules import learning_rate
from avlib.verify.golden import Case, Comparison, Numerics, compare
from avlib.verify.rule import fill_by_rule
from avlib.verify.soundtracks.expressions import evaluate
from avlib.verify.tolerance import EXACT, NUMBER, Tolerance

RECIPE = SOUNDTRACK_RECIPES["kinetics600"]
LOSS_TOLERANCE = re.compile(
    rf"loss {NUMBER} relative for the first (\w+) steps, {NUMBER} afterwards"
)
WORDS = ("zero", "one", "two", "three", "four", "five")
COLUMNS = {"learning_rate": 0, "top1": 2, "top5": 3}


def train_steps(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare rate, loss and accuracies of each step, and the logits after the last one."""
    c, golden = case.content, case.own_arrays()
    images = torch.from_numpy(evaluate(c["input"], c)).to(numerics.device, numerics.dtype)
    labels = torch.from_numpy(golden["labels"]).long().to(numerics.device)
    model = ResNet(BasicBlock, c["layers"], num_classes=c["num_classes"])
    fill_by_rule(model, c["fill_seed"], published_name)
    with torch.no_grad():
        model.get_parameter("group2.fc.weight").mul_(_factor(c["weights"]))
    rows = _steps(model.to(numerics.device, numerics.dtype), images, labels)
    for name, column in COLUMNS.items():
        yield compare(name, rows[:, column], golden["rows"][:, column], EXACT)
    for name, steps, tolerance in _loss_tolerances(case):
        yield compare(name, rows[steps, 1], golden["rows"][steps, 1], tolerance)
    with torch.inference_mode():
        logits = model.eval()(images[0])
    yield compare("final_logits", logits, golden["final_logits"], _logits_tolerance(case))


def _steps(model: ResNet, images: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Return rate, loss, top-1 and top-5 in percent of each step, an epoch each: (S, 4)."""
    optimizer, rows = build_optimizer(model.train(), RECIPE), []
    for epoch, (x, y) in enumerate(zip(images, labels, strict=True)):
        rate = learning_rate(float(epoch), RECIPE.schedule)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, logits = train_step(model, optimizer, x, y)
        rows.append([rate, loss, *(100 * top_k_share(logits, y, k) for k in (1, 5))])
    return np.array(rows)


def _factor(text: str) -> float:
    """Read the factor in `..., then group2.fc.weight multiplied by 0.01`; 1 where there is none."""
    found = re.search(rf"group2\.fc\.weight multiplied by {NUMBER}", text)
    return float(found[1]) if found else 1.0


def _loss_tolerances(case: Case) -> list[tuple[str, slice, Tolerance]]:
    """Read `loss 1e-5 relative for the first three steps, 1e-4 afterwards`."""
    found = LOSS_TOLERANCE.search(str(case.content.get("tolerance")))
    if not found:
        return [("loss", slice(None), case.tolerance("loss", "rows"))]
    first = WORDS.index(found[2]) if found[2] in WORDS else int(found[2])
    sizes = [Tolerance(0.0, float(found[i])) for i in (1, 3)]
    return [
        (f"loss of steps 1 to {first}", slice(first), sizes[0]),
        ("loss of later steps", slice(first, None), sizes[1]),
    ]


def _logits_tolerance(case: Case) -> Tolerance:
    """Read `final_logits 1e-3 absolute`."""
    found = re.search(rf"final_logits {NUMBER} absolute", str(case.content.get("tolerance")))
    return Tolerance(float(found[1]), 0.0) if found else case.tolerance("final_logits")
