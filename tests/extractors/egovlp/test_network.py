"""The network of EgoVLP against the plain form of its attention."""

import pytest
import torch
from torch.nn import functional as F

from avlib.extractors.egovlp.network import Block, DividedAttention, EgoVlp, EgoVlpSizes
from avlib.extractors.egovlp.weights import untrained_egovlp

NARROW = EgoVlpSizes(
    frames=4,
    image_size=32,
    patch_size=16,
    width=32,
    depth=2,
    heads=2,
    feedforward=48,
    text_width=24,
    text_depth=1,
    text_heads=2,
    text_feedforward=32,
    vocabulary=50,
    positions=16,
    embedding=20,
)


@pytest.fixture(scope="module")
def network():
    return untrained_egovlp(NARROW, 0)


def attended(attention, tokens, is_seen):
    """Return the attention of tokens (N, D) to those that each of them sees, head by head."""
    q, k, v = (F.linear(tokens, w, b) for w, b in zip(*thirds(attention), strict=True))
    found = torch.empty_like(q)
    for head in torch.arange(q.shape[1]).chunk(attention.heads):
        scores = q[:, head] @ k[:, head].T / len(head) ** 0.5
        found[:, head] = scores.masked_fill(~is_seen, -torch.inf).softmax(dim=1) @ v[:, head]
    return attention.proj(found)


def thirds(attention):
    return attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3)


@pytest.mark.parametrize(("n_frames", "n_patches"), [(1, 1), (3, 5), (4, 2)])
@torch.inference_mode()
def test_a_patch_sees_the_class_token_and_its_place_or_its_frame(n_frames, n_patches):
    attention = DividedAttention(12, 3)
    tokens = torch.randn(2, 1 + n_frames * n_patches, 12)
    number = torch.arange(n_frames * n_patches)
    for found, key in (
        (attention.over_time(tokens, n_frames), number % n_patches),
        (attention.over_space(tokens, n_frames), number // n_patches),
    ):
        is_seen = torch.ones(2 * (tokens.shape[1],), dtype=torch.bool)
        is_seen[1:, 1:] = key[:, None] == key
        expected = torch.stack([attended(attention, of_clip, is_seen) for of_clip in tokens])
        torch.testing.assert_close(found, expected)


@torch.inference_mode()
def test_the_class_token_alone_is_the_first_of_all_tokens():
    block = Block(12, 3, 24)
    tokens = torch.randn(2, 1 + 3 * 5, 12)
    torch.testing.assert_close(block.of_class(tokens, 3), block(tokens, 3)[:, :1])


@torch.inference_mode()
def test_a_clip_may_have_fewer_frames_than_the_network_was_trained_on(network):
    frames = torch.randn(2, 4, 3, 32, 32)
    whole = network.video_embeddings(frames)
    part = network.video_embeddings(frames[:, :3])
    assert whole.shape == part.shape == (2, 20)
    assert not torch.allclose(whole, part)


@torch.inference_mode()
def test_the_order_of_frames_and_the_place_of_patches_count():
    network = untrained_egovlp(NARROW, 0)
    torch.nn.init.normal_(network.video_model.temporal_embed)
    frames = torch.randn(1, 4, 3, 32, 32)
    embedding = network.video_embeddings(frames)
    assert not torch.allclose(embedding, network.video_embeddings(frames.flip(1)))
    assert not torch.allclose(embedding, network.video_embeddings(frames.roll(16, dims=3)))


@torch.inference_mode()
def test_padding_of_texts_changes_nothing(network):
    token_ids = torch.tensor([[2, 10, 11, 3, 0, 0], [2, 12, 13, 14, 15, 3]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    alone = network.text_embeddings(token_ids[:1, :4], mask[:1, :4])
    torch.testing.assert_close(network.text_embeddings(token_ids, mask)[:1], alone)


def test_every_parameter_is_trained():
    network = EgoVlp(NARROW)
    torch.manual_seed(0)
    videos = network.video_embeddings(torch.randn(2, 4, 3, 32, 32))
    texts = network.text_embeddings(torch.tensor([[2, 5, 3], [2, 6, 3]]), torch.ones(2, 3))
    (videos * texts).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []
