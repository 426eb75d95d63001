"""Small networks that stand in for published weights where the videos are rendered.

A network learns to tell what rendered scenes show or sound like: ResNet, R(2+1)D and VGGish with a
linear classifier that is thrown away, as the published ones were trained; CLIP and CLAP with the
published texts as classes, so that their logits can be compared with the published thresholds.

Source of the loss of the latter, a yes or no for each pair of an example and a text: Zhai et al.,
"Sigmoid Loss for Language Image Pre-Training", ICCV 2023.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim import AdamW

from avlib.io.atomic import write_json
from avlib.io.weights import save_weights
from avlib.progress import progress
from avlib.seeds import generator
from avlib.training.schedules import warm_cosine_rate
from avlib.valor.rendered_examples import Examples, draw_examples
from avlib.valor.small_architectures import Learner, build_learner
from avlib.valor.small_networks_small_recipes import SMALL_NETWORK_RECIPES, SmallNetworkRecipe

WARMUP_SHARE = 0.1  # of the steps
WEIGHT_DECAY = 0.01
LARGEST_GRADIENT = 1.0  # norm


def train_small_network(
    kind: str,
    *,
    classes: Sequence[str],
    seed: int,
    model_path: Path,
    metrics_path: Path,
    tokenizer: Path | None = None,
    recipe: SmallNetworkRecipe | None = None,
) -> None:
    """Train a network on rendered scenes and write its weights.

    It takes less than a minute on the CPU, so a training that was interrupted begins anew. The
    result is the same bytes every time on the same machine.

    Args:
        kind: key of SMALL_NETWORK_RECIPES.
        classes: names of classes of LLP that are in `avlib.datasets.miniature.scenes.LLP_THINGS`.
        seed: of first weights, scenes and orders.
        model_path: safetensors file that the loader of the published weights reads.
        metrics_path: JSON file with the loss of each epoch, and with scores on other scenes.
        tokenizer: folder of the tokenizer of bytes, for the kind clap.
        recipe: how to train; None for that of the kind.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    recipe = recipe or SMALL_NETWORK_RECIPES[kind]
    learner = build_learner(kind, classes, seed, recipe.scale, tokenizer)
    examples = _draw(kind, classes, recipe.examples, seed, "learned")
    losses = _fit(learner, examples, recipe, seed)
    held_out = _draw(kind, classes, recipe.held_out, seed, "held out")
    metadata = {"kind": kind, "classes": json.dumps(list(classes)), "seed": str(seed)}
    save_weights(model_path, learner.weights(), metadata)
    results = {
        "kind": kind,
        "classes": list(classes),
        "seed": seed,
        "recipe": asdict(recipe),
        "losses": losses,
        "held_out": _scores(learner, held_out, recipe.batch_size),
    }
    write_json(metrics_path, results)


def _draw(kind: str, classes: Sequence[str], count: int, seed: int, purpose: str) -> Examples:
    """Return examples whose inputs are of half precision, which spares memory."""
    size = 10  # of sound there are as many seconds in a recording
    firsts = progress(range(0, count, size), f"rendering for {kind}", "scenes", total=count // size)
    drawn = [
        draw_examples(kind, classes, size, generator(seed, "small network", kind, purpose, first))
        for first in firsts
    ]
    return Examples(
        torch.cat([part.inputs.half() for part in drawn]),
        torch.cat([part.is_there for part in drawn]),
    )


def _fit(
    learner: Learner,
    examples: Examples,
    recipe: SmallNetworkRecipe,
    seed: int,
) -> list[float]:
    """Train, and return the mean loss of each epoch."""
    parameters = [p for p in learner.parameters() if p.requires_grad]
    optimizer = AdamW(parameters, lr=recipe.rate, weight_decay=WEIGHT_DECAY)
    learner.eval()  # no dropout; but batch normalisation learns what the inputs are like
    for module in learner.modules():
        module.train(isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d))
    per_epoch = len(examples.inputs) // recipe.batch_size
    steps = recipe.epochs * per_epoch
    losses = []
    batches = _batches(examples, recipe, seed)
    for step, batch in enumerate(progress(batches, "training", "steps", total=steps)):
        for group in optimizer.param_groups:
            group["lr"] = warm_cosine_rate(
                step,
                base_rate=recipe.rate,
                end_rate=0.0,
                total_steps=steps,
                warmup_steps=round(WARMUP_SHARE * steps),
            )
        logits = learner(batch.inputs.float())
        loss = functional.binary_cross_entropy_with_logits(logits, batch.is_there)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
        optimizer.step()
        losses.append(loss.item())
    learner.eval()
    return np.reshape(losses, (recipe.epochs, per_epoch)).mean(axis=1).tolist()


def _batches(examples: Examples, recipe: SmallNetworkRecipe, seed: int) -> Iterator[Examples]:
    """Yield the batches of all epochs; the rest of an epoch that fills none is left out."""
    for epoch in range(recipe.epochs):
        rng = generator(seed, "order of the examples", epoch)
        order = torch.from_numpy(rng.permutation(len(examples.inputs)))
        for rows in torch.split(order, recipe.batch_size):
            if len(rows) == recipe.batch_size:
                inputs, is_there = (part[rows] for part in examples)
                is_mirrored = recipe.mirrors and rng.random() < 0.5
                yield Examples(inputs.flip(-1) if is_mirrored else inputs, is_there)


@torch.inference_mode()
def _scores(learner: Learner, examples: Examples, batch_size: int) -> dict[str, float]:
    """Return F and accuracy over all pairs of an example and a class."""
    logits = torch.cat(
        [learner(inputs.float()) for inputs in torch.split(examples.inputs, batch_size)]
    )
    is_found, is_there = logits > 0, examples.is_there > 0
    right, all_positive = (
        (is_found & is_there).sum().item(),
        (is_found.sum() + is_there.sum()).item(),
    )
    return {
        "f": 2 * right / all_positive if all_positive else 1.0,
        "accuracy": (is_found == is_there).double().mean().item(),
    }
