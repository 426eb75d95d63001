"""Operations on the parser: outputs, names of the weights, first weights by seed."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from avlib.valor.network import MOTION_DIM, EventParser, clap_time_map, pool_to_segments
from avlib.valor.objective import EpochOrders
from avlib.valor.weights import PARSERS, new_parser
from avlib.verify.by_class import Arguments, Inputs, NetworkArguments, Results, operation

INPUTS = ("audio", "visual", "motion")
STREAMS = ("x_audio_in", "x_visual_in", "x_audio_out", "x_visual_out")


class ParserSizes(NetworkArguments):
    """Arguments of the network, under the names that `EventParser` has for them."""

    network: Literal["valor", "han"] = "valor"
    audio_dim: int
    visual_dim: int
    motion_dim: int = MOTION_DIM
    hidden_dim: int
    nhead: int
    ff_dim: int
    num_layers: int
    norm_where: Literal["post_norm", "pre_norm"] = "post_norm"

    def sizes(self) -> dict[str, Any]:
        """Return the arguments of the network."""
        fields = ParserSizes.model_fields.keys() - {"dtype", "network"}
        return {name: getattr(self, name) for name in fields}

    def build(self) -> EventParser:
        """Return the network."""
        return PARSERS[self.network](**self.sizes())


@operation("valor", "forward")
@torch.inference_mode()
def forward(arguments: ParserSizes, inputs: Inputs) -> Results:
    """Return the outputs, and the streams before and after the encoder.

    The features are those of files, which are pooled to segments.
    """
    model = inputs.filled(arguments.build()).eval()
    before = model.streams(*(pool_to_segments(inputs.tensor(name)) for name in INPUTS))
    after = model.hat_encoder(*before)
    streams = dict(zip(STREAMS, (*before, *after), strict=True))
    return model.parse(*after)._asdict() | streams


@operation("valor", "state_dict")
def state_dict(arguments: ParserSizes, inputs: Inputs) -> Results:
    """Return names, shapes and types of the weights in their order, and how many there are."""
    with torch.device("meta"):
        state = arguments.build().state_dict()
    entries = [
        [name, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
        for name, tensor in state.items()
    ]
    n_parameters = sum(tensor.numel() for tensor in state.values())
    return {"entries": entries, "n_tensors": len(state), "n_parameters": n_parameters}


class FirstWeightsArguments(ParserSizes):
    """Sizes, the seed of torch's generator, and how many videos there are in an epoch."""

    torch_seed: int
    n_videos: int


@operation("valor", "first_weights")
def first_weights(arguments: FirstWeightsArguments, inputs: Inputs) -> Results:
    """Return digests of the first weights of a seed, and the order of the first epoch."""
    seed = arguments.torch_seed
    model, state = new_parser(seed, arguments.network, **arguments.sizes())
    return {
        "param_names": [name for name, _ in model.named_parameters()],
        "digests": digests(model),
        "first_epoch_order": EpochOrders(state, arguments.n_videos)(0),
    }


def digests(model: nn.Module) -> list[list[float]]:
    """Return sum, absolute sum, first and last value of each parameter: (P, 4)."""
    return [_digest(parameter) for _, parameter in model.named_parameters()]


def _digest(parameter: Tensor) -> list[float]:
    values = parameter.detach().double().flatten()
    return [float(x) for x in (values.sum(), values.abs().sum(), values[0], values[-1])]


@operation("valor", "clap_time_map")
def time_map(arguments: Arguments, inputs: Inputs) -> Results:
    """Return what takes the time bins of an audio map to segments."""
    return {"P": clap_time_map()}
