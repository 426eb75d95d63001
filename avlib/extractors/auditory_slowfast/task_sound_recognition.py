"""Recognition of labelled sound by Auditory SlowFast, as the training loop sees it."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from avlib.extractors.auditory_slowfast.batch_norm import train_mode, update_precise_statistics
from avlib.extractors.auditory_slowfast.recipes import Recipe
from avlib.extractors.auditory_slowfast.steps import build_optimizer, train_step
from avlib.prefetch import prefetched
from avlib.training.event_recognition import EventRecognition
from avlib.training.events import LabelledEvents


class SoundRecognition(EventRecognition):
    """What `avlib.training.loop.fit` trains: the network, on the events of two splits."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        *,
        training: LabelledEvents,
        validation: LabelledEvents,
        seed: int,
    ) -> None:
        super().__init__(
            model,
            build_optimizer(model, recipe.schedule.base_rate),
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
        self.precise_steps = min(self.steps, recipe.precise_batches)

    def train_step(self, batch: tuple[Tensor, Tensor]) -> float:
        """Update the network once and return the loss."""
        train_mode(self.model)
        log_mel, labels = (x.to(self.device) for x in batch)
        return train_step(self.model, self.optimizer, log_mel, labels)

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Make the statistics of the batch norms precise, and evaluate.

        Statistics matter in evaluation only, so other epochs do without.
        """
        train_mode(self.model)
        update_precise_statistics(self.model, self._precise_batches(epoch, check))
        return super().validate(epoch, check)

    def _precise_batches(self, epoch: int, check: Callable[[], None]) -> Iterator[Tensor]:
        steps = range(self.precise_steps)
        for log_mel, _ in prefetched(
            self.training.crop_batches(
                self.seed, "precise", epoch, batch_size=self.batch_size, steps=steps
            )
        ):
            yield log_mel.to(self.device)
            check()
