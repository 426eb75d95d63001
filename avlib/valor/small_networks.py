"""Stage train_small_network: small networks in place of published weights, for the miniature.

The networks are trained to classify rendered scenes: ResNet, R(2+1)D and VGGish with a linear
classifier that is dropped afterwards; CLIP and CLAP with the published captions as classes, so
that the published thresholds apply to their logits.

Source of the loss, a binary one for each pair of example and caption: Zhai et al., "Sigmoid Loss
for Language Image Pre-Training", ICCV 2023.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
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
from avlib.valor.small_classifiers import SmallClassifier, build_classifier

WARMUP_SHARE = 0.1  # of the steps
WEIGHT_DECAY = 0.01
LARGEST_GRADIENT = 1.0  # norm


@dataclass(frozen=True, kw_only=True)
class SmallNetworkRecipe:
    """Training of a small network.

    Attributes:
        examples: number of rendered training examples, a multiple of 10.
        epochs: number of epochs.
        batch_size: examples per step.
        rate: highest learning rate, after a linear warm-up and before cosine annealing.
        mirrors: whether half of the batches are flipped horizontally.
        scale: initial scale of the cosines of CLIP and CLAP.
        held_out: number of validation examples, a multiple of 10.
    """

    examples: int
    epochs: int
    batch_size: int
    rate: float
    mirrors: bool = False
    scale: float = 1.0
    held_out: int = 200


SMALL_NETWORK_RECIPES = {
    "vggish": SmallNetworkRecipe(examples=800, epochs=12, batch_size=20, rate=2e-3),
    "res152": SmallNetworkRecipe(examples=600, epochs=5, batch_size=8, rate=2e-3, mirrors=True),
    "r2plus1d_18": SmallNetworkRecipe(
        examples=240, epochs=4, batch_size=4, rate=4e-3, mirrors=True, held_out=100
    ),
    "clip": SmallNetworkRecipe(
        examples=1200, epochs=10, batch_size=16, rate=1e-3, mirrors=True, scale=40.0
    ),
    "clap": SmallNetworkRecipe(
        examples=600, epochs=7, batch_size=10, rate=2e-3, scale=20.0, held_out=100
    ),
}


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

    It takes less than a minute on a CPU, so an interrupted training starts again. The output is
    the same bytes every time on the same machine.

    Args:
        kind: key of SMALL_NETWORK_RECIPES.
        classes: classes of LLP, keys of `avlib.datasets.miniature.scenes.LLP_THINGS`.
        seed: seed of the initial weights, the scenes, and the order of the examples.
        model_path: safetensors file, readable by the loader of the published weights.
        metrics_path: JSON file with the loss of each epoch and scores on validation scenes.
        tokenizer: folder of the byte tokenizer, for the kind clap.
        recipe: hyperparameters; None: those of the kind.
    """
    torch.set_num_threads(1)  # another number changes the last bits
    recipe = recipe or SMALL_NETWORK_RECIPES[kind]
    classifier = build_classifier(kind, classes, seed, recipe.scale, tokenizer)
    # The names of the two sets are part of their seeds.
    examples = _draw(kind, classes, recipe.examples, seed, "learned")
    losses = _fit(classifier, examples, recipe, seed)
    validation = _draw(kind, classes, recipe.held_out, seed, "held out")
    metadata = {"kind": kind, "classes": json.dumps(list(classes)), "seed": str(seed)}
    save_weights(model_path, classifier.weights(), metadata | classifier.settings)
    scores = _scores(classifier, validation, recipe.batch_size)
    what = {"kind": kind, "classes": list(classes), "seed": seed, "recipe": asdict(recipe)}
    write_json(metrics_path, what | {"losses": losses, "held_out": scores})


def _draw(kind: str, classes: Sequence[str], count: int, seed: int, purpose: str) -> Examples:
    """Return examples, with inputs in half precision to save memory."""
    size = 10  # seconds of a recording
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
    classifier: SmallClassifier,
    examples: Examples,
    recipe: SmallNetworkRecipe,
    seed: int,
) -> list[float]:
    """Train, and return the mean loss of each epoch."""
    parameters = [p for p in classifier.parameters() if p.requires_grad]
    optimizer = AdamW(parameters, lr=recipe.rate, weight_decay=WEIGHT_DECAY)
    classifier.eval()  # no dropout; batch normalisation still updates its statistics
    for module in classifier.modules():
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
        logits = classifier(batch.inputs.float())
        loss = functional.binary_cross_entropy_with_logits(logits, batch.is_there)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
        optimizer.step()
        losses.append(loss.item())
    classifier.eval()
    return np.reshape(losses, (recipe.epochs, per_epoch)).mean(axis=1).tolist()


def _batches(examples: Examples, recipe: SmallNetworkRecipe, seed: int) -> Iterator[Examples]:
    """Yield the batches of all epochs; an incomplete last batch is dropped."""
    for epoch in range(recipe.epochs):
        rng = generator(seed, "order of the examples", epoch)
        order = torch.from_numpy(rng.permutation(len(examples.inputs)))
        for rows in torch.split(order, recipe.batch_size):
            if len(rows) == recipe.batch_size:
                inputs, is_there = (part[rows] for part in examples)
                is_mirrored = recipe.mirrors and rng.random() < 0.5
                yield Examples(inputs.flip(-1) if is_mirrored else inputs, is_there)


@torch.inference_mode()
def _scores(classifier: SmallClassifier, examples: Examples, batch_size: int) -> dict[str, float]:
    """Return F1 and accuracy over all pairs of example and class."""
    logits = torch.cat(
        [classifier(inputs.float()) for inputs in torch.split(examples.inputs, batch_size)]
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
