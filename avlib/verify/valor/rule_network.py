"""Networks of published names whose weights are drawn by rule."""

import torch
from torch import nn

from avlib.io.renaming import Renaming
from avlib.verify.rule import Fill, rule_values

STATISTICS = ("running_mean", "running_var")


@torch.no_grad()
def fill_published(network: nn.Module, fill: Fill, renaming: Renaming) -> None:
    """Fill `network` in place with what the rule draws for its published names.

    Scalars and buffers but for statistics stay as they are.
    """
    own = network.state_dict()
    parameters = {name for name, _ in network.named_parameters()}
    drawn = {
        name
        for name, t in own.items()
        if t.ndim and (name in parameters or name.endswith(STATISTICS))
    }
    on_meta = {name: tensor.to("meta") for name, tensor in own.items()}
    for published, shaped in renaming.published(on_meta).items():
        parts = renaming.own({published: shaped})
        if not drawn.issuperset(parts):
            continue
        values = torch.from_numpy(rule_values(published, tuple(shaped.shape), fill.seed))
        if not published.endswith(STATISTICS):
            gain = fill.gain if values.ndim > 1 else 1.0
            values *= gain * fill.scale.get(published, 1.0)
        for name, part in renaming.own({published: values}).items():
            own[name].copy_(part)
