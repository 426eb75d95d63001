import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from avlib.retrieval.objective import TEMPERATURE, contrastive_loss


def plain(clips, texts, ids):
    """Return the loss by loops over pairs."""
    clips = clips / np.linalg.norm(clips, axis=1, keepdims=True)
    texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    n = len(ids)
    losses = []
    for a, b in ((clips, texts), (texts, clips)):
        for i in range(n):
            logits = [float(a[i] @ b[j]) / TEMPERATURE for j in range(n)]
            normaliser = math.log(sum(math.exp(x) for x in logits))
            positive = [j for j in range(n) if ids[j] == ids[i]]
            losses.append(sum(normaliser - logits[j] for j in positive) / len(positive))
    return sum(losses) / len(losses)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=7), st.integers(0, 100))
def test_the_loss_equals_that_of_plain_loops(ids, seed):
    rng = np.random.default_rng(seed)
    clips, texts = rng.normal(size=(2, len(ids), 5))
    found = contrastive_loss(*map(torch.from_numpy, (clips, texts)), torch.tensor(ids))
    assert math.isclose(found.item(), plain(clips, texts, ids), rel_tol=1e-9, abs_tol=1e-9)


def test_orthogonal_pairs_have_the_loss_of_their_number():
    embeddings = torch.eye(4)
    found = contrastive_loss(embeddings, embeddings, torch.arange(4), temperature=0.5)
    assert math.isclose(found.item(), math.log(1 + 3 * math.exp(-2)), rel_tol=1e-5)


def test_the_loss_does_not_depend_on_lengths():
    clips, texts = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([0, 0, 1, 2, 3, 3])
    longer = contrastive_loss(3 * clips, 0.5 * texts, ids)
    assert torch.allclose(longer, contrastive_loss(clips, texts, ids))
