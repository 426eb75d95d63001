"""Operations of EgoVLP: its embeddings, its table of frames, and which frames it sees."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avlib.extractors.egovlp.frames import frame_indices
from avlib.extractors.egovlp.network import PUBLISHED, EgoVlp, SpaceTimeTransformer
from avlib.extractors.egovlp.weights import FRAME_TABLE, with_frames
from avlib.io.renaming import without_weights
from avlib.verify.operations import Array, Numerics, Results, Weights, operation


@operation("retrieval", "egovlp_forward")
@torch.inference_mode()
def egovlp_forward(
    weights: Weights,
    videos: Mapping[str, Array],
    input_ids: Tensor,
    attention_mask: Tensor,
    *,
    num_frames: int,
    numerics: Numerics,
) -> Results:
    """Return embeddings of clips (B, T, 3, H, W) by name and of texts, and their cosines.

    `feature/<name>` is what the video tower returns; `sim` has texts as rows, clips as columns.
    """
    sizes = replace(PUBLISHED, frames=num_frames)
    network = weights.fill(without_weights(lambda: EgoVlp(sizes)))
    texts = network.text_embeddings(input_ids.long(), attention_mask.long())
    features = {n: network.video_model(numerics.tensor(clip)) for n, clip in videos.items()}
    embeddings = {name: network.vid_proj(feature) for name, feature in features.items()}
    clips = F.normalize(torch.cat(list(embeddings.values())), dim=-1)
    return {
        **{f"video/{name}": embedding for name, embedding in embeddings.items()},
        **{f"feature/{name}": feature for name, feature in features.items()},
        "text": texts,
        "sim": F.normalize(texts, dim=-1) @ clips.T,
    }


@operation("retrieval", "temporal_embedding")
def temporal_embedding(weights: Weights, *, num_frames: int, stored_frames: int) -> Results:
    """Return the table of frames that weights for another number of frames are loaded as."""
    sizes = replace(PUBLISHED, frames=stored_frames, depth=0)
    tower = weights.fill(nn.ModuleDict({"video_model": SpaceTimeTransformer(sizes)}))
    return {"temporal_embed": with_frames(tower.state_dict(), num_frames)[FRAME_TABLE]}


@operation("retrieval", "frame_indices")
def indices_of_clips(rows: Sequence[Sequence[int]]) -> Results:
    """Return the frames of clips, from 1: number of frames, first and last frame a row."""
    return {"indices": [frame_indices(*row) for row in rows]}
