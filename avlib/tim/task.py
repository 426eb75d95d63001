"""TIM on the windows of a split, as the training loop sees it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from avlib.errors import DataError
from avlib.seeds import generator
from avlib.tim.inference import classes_of, on_device, predict
from avlib.tim.network import TIM
from avlib.tim.objective import (
    Losses,
    Step,
    build_optimizer,
    draw_step,
    train_step,
)
from avlib.tim.recipes import TimRecipe
from avlib.tim.splits import SplitWindows
from avlib.training.schedules import warm_cosine_rate
from avlib.training.team import ALONE, Team


@dataclass(frozen=True)
class Computation:
    """How steps and predictions are computed, which changes the results by rounding alone.

    Attributes:
        parts: of a batch, each with dropout of its own; a multiple of the size of the team.
        team: the processes that train together.
        precision: of steps, where that is safe; float16 behind a loss scale.
        eval_precision: of predictions, where that is safe.
    """

    parts: int = 1
    team: Team = ALONE
    precision: torch.dtype = torch.float32
    eval_precision: torch.dtype = torch.float32


class TimTask:
    """What `avlib.training.loop.fit` trains.

    The processes of a team share the parts of a batch; each of them reads the whole batch, since
    mixup mixes windows of different parts. So the result does not depend on how many they are,
    but for rounding.

    Args:
        model: the network.
        recipe: how to train it.
        training: windows to train on.
        validation: windows that decide which epoch is best.
        select_by: the head whose top-1 accuracy decides, or `verb_noun` or `combined`.
        seed: of all draws.
        computation: parts of a batch, processes, precision.
    """

    validate_every = 1

    def __init__(
        self,
        model: TIM,
        recipe: TimRecipe,
        *,
        training: SplitWindows,
        validation: SplitWindows,
        select_by: str,
        seed: int,
        computation: Computation = Computation(),
    ) -> None:
        self.title = f"TIM ({recipe.model_modality.replace('_', '-')})"
        self.model, self.recipe, self.select_by, self.seed = model, recipe, select_by, seed
        self.training, self.validation = training, validation
        self.computation = computation
        self.device = next(model.parameters()).device
        self.optimizer = build_optimizer(model, rate=recipe.lr, weight_decay=recipe.weight_decay)
        is_scaled = computation.precision == torch.float16
        self.scaler = GradScaler(self.device.type, enabled=is_scaled)
        keep_scale(self.optimizer, self.scaler)
        self.epochs = recipe.epochs
        self.steps = -(-len(training.items) // recipe.batch_size)  # the last may be smaller

    def learning_rate(self, epoch: float) -> float:
        """Return the rate at a fractional epoch; it changes from step to step."""
        return warm_cosine_rate(
            round(epoch * self.steps),
            base_rate=self.recipe.lr,
            end_rate=self.recipe.end_lr,
            total_steps=self.epochs * self.steps,
            warmup_steps=round(self.recipe.warmup_epochs * self.steps),
        )

    def batches(self, epoch: int, first_step: int) -> Iterator[Step]:
        """Yield the steps of an epoch from `first_step` on."""
        order = generator(self.seed, "order", epoch).permutation(len(self.training.items))
        size = self.recipe.batch_size
        for step in range(first_step, self.steps):
            items = self.training.items[order[step * size : (step + 1) * size]]
            rng = generator(self.seed, "windows", epoch, step)
            batch = self.training.dataset.batch(items.tolist(), rng)
            draws = draw_step(
                rng,
                len(items),
                mixup_alpha=self.recipe.mixup_alpha,
                m_drloc=self.recipe.m_drloc,
                num_feats=self.recipe.num_feats,
            )
            yield Step(batch, draws, rng.integers(2**63, size=self.computation.parts).tolist())

    def train_step(self, step: Step) -> dict[str, float]:
        """Update the network once and return the losses."""
        self.model.train()
        sums = train_step(
            self.model,
            self.optimizer,
            step._replace(batch=on_device(step.batch, self.model)),
            self.recipe,
            scaler=self.scaler,
            precision=self.computation.precision,
            team=self.computation.team,
        )
        return self._named(sums)

    def _named(self, sums: Tensor) -> dict[str, float]:
        """Return `loss`, the total, and the parts that the model has."""
        names = [f"{name}_loss" for name in Losses._fields]
        values = dict(zip(names, sums.tolist(), strict=True))
        has = {f"{head}_loss" for head in classes_of(self.model)}
        if self.recipe.lambda_drloc > 0:
            has.add("drloc_loss")
        return {"loss": values["total_loss"]} | {n: v for n, v in values.items() if n in has}

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Evaluate; the score is the top-1 accuracy by which epochs are chosen."""
        metrics = self.evaluate(self.validation, check)
        score = metrics[self.select_by]["top1"]
        if score is None:
            raise DataError(f"no query that is validated on has a label for {self.select_by}")
        return score, {"select_by": self.select_by, **metrics}

    def evaluate(self, split: SplitWindows, check: Callable[[], None]) -> dict[str, Any]:
        """Return the metrics and the losses of a split."""
        predictions = predict(
            self.model,
            split,
            batch_size=self.recipe.batch_size,
            label_smoothing=self.recipe.label_smoothing,
            precision=self.computation.eval_precision,
            team=self.computation.team,
            check=check,
        )
        return predictions.metrics()


def keep_scale(optimizer: Optimizer, scaler: GradScaler) -> None:
    """Make the state of `scaler` a part of that of `optimizer`, so that both are resumed."""
    optimizer.register_state_dict_post_hook(
        lambda _, state: state | {"scaler": scaler.state_dict()}
    )

    def load(_: Optimizer, state: dict[str, Any]) -> None:
        if scaler.is_enabled():
            scaler.load_state_dict(state["scaler"])

    optimizer.register_load_state_dict_pre_hook(load)
