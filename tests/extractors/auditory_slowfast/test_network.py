import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input
from tiny_golden import GOLDEN, contents

from avlib.extractors.auditory_slowfast.network import (
    AuditorySlowFast,
    feature_width,
    fold_batch_norm,
    pack_pathways,
    slow_frame_indices,
)

STATE_DICT, FORWARD, PACKING = (
    contents(f"asf/{name}.json") for name in ("state_dict", "forward", "packing")
)


def small_model(num_classes=(5,)):
    model = AuditorySlowFast(num_classes=num_classes, width=16).eval()
    fill_by_rule(model, 1)
    return model


def small_input(batch=3, n_frames=64):
    return torch.from_numpy(rule_input("small", (batch, 1, n_frames, 128), 0, 2.0) - 5.0)


@pytest.mark.parametrize("config", STATE_DICT)
def test_weights_have_the_published_names_and_shapes(config):
    golden = STATE_DICT[config]
    with torch.device("meta"):
        model = AuditorySlowFast(**golden["arguments"])
    entries = [[n, list(t.shape), str(t.dtype)[6:]] for n, t in model.state_dict().items()]
    assert entries == golden["expected"]["entries"]["value"]


@pytest.mark.parametrize("case_id", ["ave", "t400"])
def test_features_and_scores_are_those_of_the_published_network(case_id):
    case = FORWARD[case_id]
    with np.load(GOLDEN / "asf" / "forward.npz") as arrays:
        golden = {k: torch.from_numpy(arrays[f"{case_id}/{k}"]) for k in ("features", "logits")}
    model = AuditorySlowFast(**case["arguments"]).eval()
    fill_by_rule(model, case["inputs"]["weights"]["fill"]["seed"])
    name, shape, seed, scale, offset = case["inputs"]["log_mel"]["rule"].values()
    x = torch.from_numpy(rule_input(name, tuple(shape), seed, scale) + np.float32(offset))
    for network in (model, fold_batch_norm(model)):
        with torch.inference_mode():
            features = network.features(x)
            (logits,) = network.head(features)
        torch.testing.assert_close(features, golden["features"], atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(logits, golden["logits"], atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("case", PACKING.values(), ids=PACKING)
def test_the_slow_pathway_sees_the_published_frames(case):
    frames, alpha = case["arguments"]["frames"], case["arguments"]["alpha"]
    assert slow_frame_indices(frames, alpha) == case["expected"]["slow_indices"]["value"]


@pytest.mark.parametrize("n_frames", range(4, 700, 13))
def test_slow_frames_are_a_truncated_linear_spacing(n_frames):
    expected = torch.linspace(0, n_frames - 1, n_frames // 4, dtype=torch.float64)
    assert slow_frame_indices(n_frames) == expected.add(1e-9).int().tolist()


def test_packing_keeps_the_input_as_the_fast_pathway():
    x = torch.arange(200.0)[None, None, :, None]
    slow, fast = pack_pathways(x)
    assert slow.flatten().tolist() == slow_frame_indices(200)
    assert fast is x


@torch.inference_mode()
def test_features_are_the_width_that_is_promised_and_not_negative():
    features = small_model().features(small_input())
    assert features.shape == (3, feature_width(16))
    assert (features >= 0).all() and feature_width() == 2304


@torch.inference_mode()
@pytest.mark.parametrize("n_frames", [64, 200])
def test_the_folded_network_agrees_with_the_plain_one(n_frames):
    model, x = small_model((5, 3)), small_input(2, n_frames)
    before = x.clone()
    for folded, plain in zip(fold_batch_norm(model)(x), model(x), strict=True):
        torch.testing.assert_close(folded, plain, atol=1e-5, rtol=1e-5)
    assert torch.equal(x, before)


@torch.inference_mode()
def test_the_folded_network_takes_batches_of_any_size_in_any_order():
    folded, x = fold_batch_norm(small_model()), small_input(3)
    at_once = folded.features(x)
    one_by_one = torch.cat([folded.features(item[None]) for item in x])
    torch.testing.assert_close(one_by_one, at_once, atol=1e-5, rtol=1e-5)
    assert torch.equal(folded.features(x), at_once)


@torch.inference_mode()
def test_the_folded_network_runs_in_other_precisions():
    model, x = small_model(), small_input(2)
    expected = model.double().features(x.double())
    folded = fold_batch_norm(model)
    torch.testing.assert_close(folded.features(x.double()), expected, atol=1e-9, rtol=1e-9)
    low = folded.bfloat16().features(x.bfloat16()).double()
    torch.testing.assert_close(low, expected, atol=0.2, rtol=0.1)


def test_folding_leaves_the_network_as_it_was():
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fold_batch_norm(model)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.gpu
@torch.inference_mode()
def test_the_gpu_agrees_with_the_cpu():
    model, x = small_model(), small_input(2, 200)
    expected = model.features(x)
    on_gpu = fold_batch_norm(model.cuda()).features(x.cuda())
    torch.testing.assert_close(on_gpu.cpu(), expected, atol=1e-3, rtol=1e-3)
