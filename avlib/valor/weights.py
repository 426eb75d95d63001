"""Weights of the parser: initial ones by seed, checkpoints, and whether a given checkpoint fits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avlib.io.atomic import write_json
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.hashes import file_hash
from avlib.valor.feature_folders import FEATURE_KINDS
from avlib.valor.network import BaselineParser, EventParser
from avlib.valor.recipes import FEATURE_MODALITIES, PARSER_RECIPES, ParserRecipe

PARSERS = {"valor": EventParser, "han": BaselineParser}
WIDTHS_OF_WEIGHTS = {"audio": "fc_a.weight", "visual": "fc_v.weight", "motion": "fc_st.weight"}


def network_sizes(
    recipe: ParserRecipe, widths: Mapping[str, int] | None = None, **sizes: Any
) -> dict[str, Any]:
    """Return the arguments of the network of a recipe.

    Args:
        recipe: of the network.
        widths: channels of the `audio`, `visual` and `motion` features; None: as published.
        sizes: other arguments of `EventParser`, such as `num_classes`.
    """
    widths = widths or {name: FEATURE_KINDS[kind].width for name, kind in recipe.kinds.items()}
    of_recipe = ("hidden_dim", "nhead", "ff_dim", "num_layers", "norm_where")
    found = {f"{modality}_dim": width for modality, width in widths.items()}
    return found | {name: getattr(recipe, name) for name in of_recipe} | sizes


def new_parser(seed: int, network: str = "valor", **sizes: Any) -> tuple[EventParser, Tensor]:
    """Return a network with the initial weights of a seed, and the random state after drawing them.

    Both equal those of the published program; `EpochOrders` starts from the random state.

    Args:
        seed: seed of torch's CPU generator.
        network: key of PARSERS.
        sizes: arguments of the network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PARSERS[network](**sizes)
        return model, torch.get_rng_state()


def load_parser(path: Path, network: str = "valor", **sizes: Any) -> EventParser:
    """Return the network of a checkpoint, such as the published `checkpoint_best.pt`.

    Args:
        path: torch file with a plain state dictionary, or safetensors.
        network: key of PARSERS.
        sizes: arguments of the network, as `network_sizes` gives them.

    Raises:
        CheckpointError: if the file cannot be read as weights, or does not fit exactly; the message
            names missing, unexpected and wrongly shaped weights.
    """
    state = load_state_dict(path)
    with torch.random.fork_rng(devices=[]):
        model = PARSERS[network](**sizes)
    fit_state_dict(model, state, path)
    return model


def check_weights(checkpoint: Path, target: Path, *, variant: str) -> None:
    """Write a report of a given checkpoint, if it fits a variant with the classes of LLP.

    Args:
        checkpoint: torch file with a plain state dictionary, or safetensors.
        target: JSON file to write with `variant`, `widths` and `sha256`.
        variant: key of PARSER_RECIPES.

    Raises:
        CheckpointError: if it cannot be read or does not fit.
    """
    widths = feature_widths(checkpoint, variant)
    write_json(target, {"variant": variant, "widths": widths, "sha256": file_hash(checkpoint)})


def feature_widths(checkpoint: Path, variant: str) -> dict[str, int]:
    """Return the widths of the features that a checkpoint takes, by modality.

    Raises:
        CheckpointError: as `check_weights`.
    """
    recipe, state = PARSER_RECIPES[variant], load_state_dict(checkpoint)
    widths = {m: state[name].shape[-1] for m, name in WIDTHS_OF_WEIGHTS.items() if name in state}
    sizes = network_sizes(recipe, widths if len(widths) == len(FEATURE_MODALITIES) else None)
    load_parser(checkpoint, recipe.network, **sizes)
    return widths
