"""Networks of published names whose weights are drawn by rule."""

import torch
from torch import nn

from avlib.io.renaming import Renaming
from avlib.verify.rule import rule_values

STATISTICS = ("running_mean", "running_var")


@torch.no_grad()
def fill_published(network: nn.Module, seed: int, renaming: Renaming) -> None:
    """Fill `network` in place with what the rule draws for its published names.

    Scalars and buffers but for statistics stay as they are.
    """
    own = network.state_dict()
    parameters = {name for name, _ in network.named_parameters()}
    drawn = {
        name for name, t in own.items() if t.ndim and (name in parameters or _is_statistic(name))
    }
    for published, shaped in renaming.published(_on_meta(own)).items():
        parts = renaming.own({published: shaped})
        if not drawn.issuperset(parts):
            continue
        values = torch.from_numpy(rule_values(published, tuple(shaped.shape), seed))
        for name, part in renaming.own({published: values}).items():
            own[name].copy_(part)


def _is_statistic(name: str) -> bool:
    return name.endswith(STATISTICS)


def _on_meta(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.to("meta") for name, tensor in state.items()}
