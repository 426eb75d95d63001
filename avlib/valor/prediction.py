"""Stage parse_events: probabilities of a variant for the test videos."""

from pathlib import Path

import numpy as np
import torch

from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.io.arrays import write_arrays
from avlib.valor.recipes import PARSER_RECIPES
from avlib.valor.sources import ParserSources, complete_videos, load_videos
from avlib.valor.task import predict_videos
from avlib.valor.weights import load_parser, network_sizes


def parse_events(
    sources: ParserSources, *, variant: str, weights: Path, device: str, target: Path
) -> None:
    """Write the probabilities of a variant for split test.

    Args:
        sources: features, and the list of split test.
        variant: key of PARSER_RECIPES.
        weights: a plain state dictionary.
        device: auto, cpu or cuda.
        target: `.npz` file with `video_ids` (N,), `video_probs` (N, K) and `segment_probs`
            (N, T, 2, K), where modality 0 is audio and 1 is visual.

    Raises:
        CheckpointError: if the weights do not fit.
        DataError: if there are no videos, or a feature is missing in a given folder or damaged.
    """
    torch.set_num_threads(1)
    recipe, videos = PARSER_RECIPES[variant], complete_videos(sources, "test")
    if not videos:
        raise DataError(f"{sources.labels['test']}: none of its videos has all features")
    data = load_videos(sources, videos)
    sizes = network_sizes(recipe, data.widths, num_classes=data.num_classes)
    model = load_parser(weights, recipe.network, **sizes).to(resolve_device(device))
    whole, segments, _ = predict_videos(model, data, recipe.batch_size, lambda: None)
    arrays = {"video_probs": whole, "segment_probs": segments}
    write_arrays({"video_ids": np.array(data.video_ids), **arrays}, target)
