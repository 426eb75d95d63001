"""Data-parallel training: the processes of one model, and the collective operations among them.

All processes call the same methods in the same order.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """This process among those of a training.

    Args:
        rank: its number, from 0; rank 0 writes.
        size: number of processes (world size).
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Return whether the flag of some process is set."""
        return any(self.gather(flag))

    def gather(self, item: T) -> list[T]:
        """Return what each process gave, in their order."""
        if self.size == 1:
            return [item]
        items: list[Any] = [None] * self.size
        dist.all_gather_object(items, item)
        return items

    def add_up(self, parameters: Iterable[nn.Parameter], losses: Tensor) -> Tensor:
        """Replace each gradient by the sum over the processes, and return that of `losses`.

        A parameter keeps no gradient if it has none in any process.

        Args:
            parameters: the same ones in every process.
            losses: (L,), on the device of the parameters.
        """
        if self.size == 1:
            return losses
        parameters = list(parameters)
        has_gradient = torch.tensor([p.grad is not None for p in parameters]).to(losses)
        gradients = [(torch.zeros_like(p) if p.grad is None else p.grad) for p in parameters]
        sums = torch.cat([g.flatten() for g in gradients] + [losses, has_gradient])
        dist.all_reduce(sums)
        sizes = [p.numel() for p in parameters]
        *parts, losses, has_gradient = torch.split(sums, [*sizes, len(losses), len(parameters)])
        for p, part, has in zip(parameters, parts, has_gradient.tolist(), strict=True):
            p.grad = part.view_as(p) if has else None
        return losses


ALONE = Team()


@contextmanager
def team_of_environment() -> Iterator[Team]:
    """Join the processes that the launcher started, or be alone where there was none.

    A process of a team ends when the launcher does, even where that was killed.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ALONE
        return
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
