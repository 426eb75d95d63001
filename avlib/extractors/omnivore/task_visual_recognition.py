"""Recognition of labelled clips by a narrow Omnivore, as the training loop sees it."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor
from torch.nn import functional

from avlib.extractors.omnivore.network import Omnivore, network_weights
from avlib.extractors.omnivore.recipes import VisualRecipe
from avlib.extractors.omnivore.steps import build_optimizer
from avlib.seeds import generator
from avlib.training.event_recognition import EventRecognition
from avlib.training.events import LabelledEvents


class VisualRecognition(EventRecognition):
    """What `avlib.training.loop.fit` trains: the network, on the events of two splits."""

    model: Omnivore

    def __init__(
        self,
        model: Omnivore,
        recipe: VisualRecipe,
        *,
        training: LabelledEvents,
        validation: LabelledEvents,
        seed: int,
    ) -> None:
        super().__init__(
            model,
            build_optimizer(model, recipe.schedule.base_rate, recipe.weight_decay),
            recipe.schedule,
            heads=recipe.heads,
            training=training,
            validation=validation,
            batch_size=recipe.batch_size,
            epoch_items=recipe.epoch_items,
            views=recipe.views,
            validate_every=recipe.validate_every,
            seed=seed,
        )
        self.recipe = recipe

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from `first_step` on, and the share of each class."""
        batches = super().batches(epoch, first_step)
        for step, (clips, labels) in enumerate(batches, start=first_step):
            rng = generator(self.seed, "paste", epoch, step)
            shares = functional.one_hot(labels[:, 0], self.model.head.out_features).float()
            is_mixed = rng.random() < self.recipe.pasting
            yield paste_rectangle(clips, shares, rng) if is_mixed else (clips, shares)

    def train_step(self, batch: tuple[Tensor, Tensor]) -> float:
        """Update the network once and return the loss."""
        self.model.train()
        clips, shares = (x.to(self.device) for x in batch)
        loss = functional.cross_entropy(
            self.model(clips), shares, label_smoothing=self.recipe.label_smoothing
        )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def weights(self) -> dict[str, Tensor]:
        """Return the network's weights under the published names."""
        return {name: tensor.cpu() for name, tensor in network_weights(self.model).items()}


def paste_rectangle(
    clips: Tensor, shares: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Put the same random square of each clip's opposite number in the batch onto it.

    Source: Yun et al., "CutMix", ICCV 2019, section 3, with the square inside the picture.

    Shape:
        clips: (B, 3, T, H, W).
        shares: (B, K), share of each class.
    """
    size = clips.shape[-1]
    side = int(size * np.sqrt(rng.random()))
    top, left = rng.integers(0, size - side + 1, 2)
    mixed = clips.clone()
    place = (..., slice(top, top + side), slice(left, left + side))
    mixed[place] = clips.flip(0)[place]
    pasted = (side / size) ** 2
    return mixed, (1 - pasted) * shares + pasted * shares.flip(0)
