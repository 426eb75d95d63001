"""What the training loop trains: classification of soundtracks by their clips."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avlib.prefetch import prefetched
from avlib.seeds import generator
from avlib.soundtracks.clips import SoundtrackEvents
from avlib.soundtracks.network import SoundtrackNetwork, network_weights
from avlib.soundtracks.recipes import SoundtrackRecipe
from avlib.soundtracks.steps import build_optimizer, top_k_share, train_step
from avlib.training.event_recognition import EventRecognition
from avlib.training.events import LabelledEvents


class SoundtrackRecognition(EventRecognition):
    """What `avlib.training.loop.fit` trains: the network, on the clips of two splits.

    The log has loss, top-1 and top-5 of training clips, and in `val` those of whole validation
    soundtracks, by the mean of the logits of their clips, and of single `clips`.
    """

    title = "soundtrack network"

    training: SoundtrackEvents

    def __init__(
        self,
        model: SoundtrackNetwork,
        recipe: SoundtrackRecipe,
        *,
        splits: Mapping[str, SoundtrackEvents],
        seed: int,
    ) -> None:
        super().__init__(model, build_optimizer(model, recipe), recipe, splits=splits, seed=seed)
        self.recipe, together = recipe, recipe.clips_together
        self.batch_size = max(recipe.batch_size // together, 1) * together
        self.n_items = self.training.n_items(together)
        self.num_classes = model.get_parameter(f"{model.classifier_name}bias").numel()
        self.steps = math.ceil(self.n_items / self.batch_size)
        self.clip_values: dict[str, float] = {}  # of the newest prediction

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from `first_step` on: images, and classes or shares."""
        batches = self.training.clip_batches(
            self.seed,
            epoch,
            batch_size=self.batch_size,
            steps=range(first_step, self.steps),
            together=self.recipe.clips_together,
        )
        for step, (images, labels) in enumerate(batches, start=first_step):
            if self.recipe.mixup:
                shares = functional.one_hot(labels, self.num_classes).float()
                yield mix(images, shares, self._share(epoch, step))
            else:
                yield images, labels

    def _share(self, epoch: int, step: int) -> float:
        rng = generator(self.seed, "mixup", epoch, step)
        return float(rng.beta(self.recipe.mixup, self.recipe.mixup))

    def train_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
        """Update the network once and return loss, top-1 and top-5, weighted by the batch's size.

        The label of a mixed item is the class of the larger share.
        """
        self.model.train()
        images, targets = (x.to(self.device) for x in batch)
        loss, logits = train_step(
            self.model,
            self.optimizer,
            images,
            targets,
            label_smoothing=self.recipe.label_smoothing,
            clips_together=self.recipe.clips_together,
        )
        labels = targets if targets.ndim == 1 else targets.argmax(dim=1)
        values = {
            "loss": loss,
            "top1": top_k_share(logits, labels, 1),
            "top5": top_k_share(logits, labels, 5),
        }
        weight = len(images) * self.steps / self.n_items
        return {name: weight * value for name, value in values.items()}

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Return the score by which weights are kept, and what is logged."""
        score, values = super().validate(epoch, check)
        if self.recipe.keeps == "last":
            score = float(epoch)
        return score, values | {"clips": self.clip_values}

    @torch.inference_mode()
    def predict(
        self, events: LabelledEvents, check: Callable[[], None]
    ) -> tuple[NDArray[np.float64]]:
        """Return the soft-max of the mean of the logits of an event's clips: ((N, K),)."""
        self.model.eval()
        sums, counts = np.zeros((len(events), self.num_classes)), np.zeros((len(events), 1))
        totals = dict.fromkeys(("loss", "top1", "top5"), 0.0)
        for indices, images in prefetched(events.view_batches(self.views, self.eval_batch_size)):
            logits = self.model(images.to(self.device)).double().cpu()
            labels = torch.from_numpy(events.labels[indices, 0])
            np.add.at(sums, indices, logits.numpy())
            np.add.at(counts, indices, 1)
            totals["loss"] += functional.cross_entropy(logits, labels, reduction="sum").item()
            for k in (1, 5):
                totals[f"top{k}"] += top_k_share(logits, labels, k) * len(indices)
            check()
        self.clip_values = {name: total / counts.sum() for name, total in totals.items()}
        return (torch.from_numpy(sums / counts).softmax(dim=1).numpy(),)

    def weights(self) -> dict[str, Tensor]:
        """Return the network's weights under the published names."""
        return {name: tensor.cpu() for name, tensor in network_weights(self.model).items()}


def mix(images: Tensor, shares: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mix each item, and its label, with the item at the mirrored position of the batch.

    Source: Zhang et al., "mixup", ICLR 2018, section 2.

    Args:
        images: (B, ...).
        shares: (B, K), share of each class.
        share: of the item itself, in [0, 1].
    """
    mixed = share * images + (1 - share) * images.flip(0)
    return mixed, share * shares + (1 - share) * shares.flip(0)
