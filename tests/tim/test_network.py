import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input
from tiny_golden import GOLDEN, contents
from torch import nn

from avlib.tim.encoder import EncoderLayer
from avlib.tim.network import TIM
from avlib.tim.tokens import AudioGuidedPooling

SHAPES = contents("tim_recognition/state_dict_shapes.json")
SMALL = {
    "visual_input_dim": 6,
    "audio_input_dim": 5,
    "d_model": 8,
    "feedforward_scale": 4,
    "nhead": 4,
    "num_layers": 2,
    "num_feats": 3,
    "model_modality": "audio_visual",
    "data_modality": "audio_visual",
    "visual_classes": (4, 5, 7),
    "audio_classes": 3,
    "apply_feature_pooling": False,
}


def configured(arguments):
    return TIM(**{**arguments, "visual_classes": tuple(arguments["visual_classes"])})


def small_model(**changes):
    model = TIM(**(SMALL | changes)).eval()
    fill_by_rule(model, 1)
    return model


def small_inputs(n_visual=2, n_audio=3, batch=2):
    visual = torch.from_numpy(rule_input("visual", (batch, 3, 6)))
    audio = torch.from_numpy(rule_input("audio", (batch, 3, 5)))
    rng = np.random.default_rng(0)
    times = np.sort(rng.random((batch, 6 + n_visual + n_audio, 2)), axis=2).astype(np.float32)
    return visual, audio, torch.from_numpy(times), n_visual, n_audio


def assert_equal_logits(first, second):
    for a, b in zip(first[:4], second[:4], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_weights_have_the_published_names_shapes_and_order(name):
    with torch.device("meta"):
        model = configured(SHAPES[name]["arguments"])
    state = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert list(state.items()) == list(SHAPES[name]["expected"]["shapes"]["value"].items())


@torch.inference_mode()
def test_logits_are_those_of_the_published_network():
    case = contents("tim_recognition/forward.json")["ave_omnivore_asf"]
    arguments = dict(case["arguments"])
    for name in ("num_v_queries", "num_a_queries", "drloc_pairs"):
        del arguments[name]
    model = configured(arguments).eval()
    seed = case["inputs"]["weights"]["fill"]["seed"]
    fill_by_rule(model, seed)
    visual = rule_input("ave_omnivore_asf/visual", (2, 25, 1024), seed)
    audio = rule_input("ave_omnivore_asf/audio", (2, 25, 2304), seed)
    with np.load(GOLDEN / "tim_recognition/forward.npz") as arrays:
        times, action, sound = (
            torch.from_numpy(arrays[f"ave_omnivore_asf.{name}"])
            for name in ("times", "action", "audio")
        )
    output = model(torch.from_numpy(visual), torch.from_numpy(audio), times, 5, 5)
    torch.testing.assert_close(output.action.flatten(0, 1), action, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(output.audio.flatten(0, 1), sound, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("trains", [False, True])
@pytest.mark.parametrize(("n_features", "n_queries"), [(6, 5), (1, 1), (7, 0)])
def test_a_layer_agrees_with_a_plain_one_under_a_mask(n_features, n_queries, trains):
    ours = EncoderLayer(16, 4, 32, dropout=1e-12 if trains else 0.5).train(trains)
    fill_by_rule(ours, 2)
    plain = nn.TransformerEncoderLayer(16, 4, 32, 0.0, "gelu", batch_first=True)
    plain.load_state_dict(ours.state_dict())
    length = n_features + n_queries
    hidden = torch.ones(length, length, dtype=torch.bool)
    hidden[:, :n_features] = False
    hidden.fill_diagonal_(False)
    x = torch.from_numpy(rule_input("x", (3, length, 16)))
    expected = plain.train()(x, src_mask=hidden)
    torch.testing.assert_close(ours(x, n_features), expected, atol=1e-5, rtol=1e-5)
    last = ours(x, n_features, n_features)
    torch.testing.assert_close(last, expected[:, n_features:], atol=1e-5, rtol=1e-5)


def test_mixed_precision_does_not_round_what_the_layers_add_up():
    model, seen = small_model().train(), []
    for layer in model.transformer_encoder.layers:
        for norm in (layer.norm1, layer.norm2):
            norm.register_forward_pre_hook(lambda _, x: seen.append(x[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(*small_inputs())
    assert seen == [torch.float32] * 4


def test_gradients_with_dropout_are_those_of_the_function():
    layer = EncoderLayer(8, 2, 12, dropout=0.4).train()
    x = torch.from_numpy(rule_input("x", (2, 5, 8))).requires_grad_()
    direction, weights = (
        torch.from_numpy(rule_input(name, (2, 5, 8))) for name in ("direction", "weights")
    )

    def loss(inputs):
        torch.manual_seed(0)
        return (layer(inputs, 3) * weights).sum()

    loss(x).backward()
    with torch.no_grad():
        step = 1e-3 * direction
        numeric = (loss(x + step) - loss(x - step)) / 2
    assert (x.grad * step).sum().item() == pytest.approx(numeric.item(), rel=1e-2)


@torch.inference_mode()
def test_logits_are_the_same_with_and_without_the_feature_tokens():
    model, inputs = small_model(), small_inputs()
    visual, audio, times, *sizes = inputs
    kept = model.encode(visual, audio, model.time_vectors(times), *sizes, keeps_tokens=True)
    assert kept.tokens.shape == (2, 6, 16) and model(*inputs).tokens is None
    assert_equal_logits(kept, model(*inputs))


@torch.inference_mode()
def test_a_query_depends_on_no_other_query():
    model = small_model()
    visual, audio, times, *_ = small_inputs(2, 1)
    together = model(visual, audio, times, 2, 1)
    alone = model(visual, audio, times[:, [0, 1, 2, 3, 4, 5, 7]], 1, 0)
    torch.testing.assert_close(alone.action[:, 0], together.action[:, 1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone.verb[:, 0], together.verb[:, 1], atol=1e-5, rtol=1e-5)
    assert alone.audio.shape == (2, 0, 3)


@torch.inference_mode()
def test_windows_of_a_batch_do_not_meet():
    model, (visual, audio, times, *sizes) = small_model(), small_inputs(batch=3)
    at_once = model(visual, audio, times, *sizes)
    singles = [
        model(v[None], a[None], t[None], *sizes)
        for v, a, t in zip(visual, audio, times, strict=True)
    ]
    for i, single in enumerate(singles):
        assert_equal_logits([x[i : i + 1] for x in at_once[:4]], single)


@torch.inference_mode()
@pytest.mark.parametrize("n_copies", [1, 2, 3])
@pytest.mark.parametrize("model_modality", ["audio_visual", "audio"])
def test_features_that_repeat_at_the_end_change_nothing_but_the_time_it_takes(
    model_modality, n_copies
):
    n_modalities = 2 if model_modality == "audio_visual" else 1
    model = small_model(model_modality=model_modality, data_modality=model_modality)
    visual, audio, times, *_ = small_inputs(n_visual=0, n_audio=3)
    for x in (visual, audio, times[:, :3], times[:, 3:6]):
        x[:, 3 - n_copies :] = x[:, 3 - n_copies, None]
    times = times[:, -3 - 3 * n_modalities :]
    inputs = (visual if n_modalities == 2 else None, audio)
    lengths = []
    model.feature_encoding.register_forward_hook(lambda *args: lengths.append(args[2].shape[1]))
    vectors = model.time_vectors(times)
    plain = model.encode(*inputs, vectors, 0, 3, keeps_tokens=True)
    quick = model(*inputs, times, 0, 3)
    torch.testing.assert_close(quick.audio, plain.audio, atol=1e-5, rtol=1e-5)
    assert lengths == [3 * n_modalities + 3, (4 - n_copies) * n_modalities + 3]


@torch.inference_mode()
@pytest.mark.parametrize("modality", ["visual", "audio"])
def test_a_network_of_one_modality_has_the_heads_of_that(modality):
    model = small_model(model_modality=modality, data_modality=modality)
    visual, audio, times, *_ = small_inputs()
    inputs = (visual, None) if modality == "visual" else (None, audio)
    sizes = (2, 0) if modality == "visual" else (0, 2)
    output = model(*inputs, times[:, :5], *sizes)
    shapes = [None if x is None else tuple(x.shape) for x in output]
    visual_shapes = [(2, 2, 4), (2, 2, 5), (2, 2, 7), None, None]
    assert shapes == (visual_shapes if modality == "visual" else [*[None] * 3, (2, 2, 3), None])


@pytest.mark.parametrize("has_final_relu", [True, False])
def test_intervals_that_repeat_are_computed_once_with_the_same_result(has_final_relu):
    model = small_model(has_final_relu=has_final_relu)
    times = small_inputs()[2][:, [0, 1, 1, 0, 2]]
    vectors, expected = model.time_vectors(times), model.time_mlp(times)
    torch.testing.assert_close(vectors, expected, atol=1e-6, rtol=1e-6)
    weight = model.time_mlp[2].weight
    (gradient,), (golden,) = (
        torch.autograd.grad(v.square().sum(), weight, retain_graph=True)
        for v in (vectors * times[..., :1], expected * times[..., :1])
    )
    torch.testing.assert_close(gradient, golden, atol=1e-4, rtol=1e-4)
    assert len(model.time_mlp) == (7 if has_final_relu else 6)


@torch.inference_mode()
def test_pooling_follows_the_formula():
    pool = AudioGuidedPooling(6, 5)
    fill_by_rule(pool, 4)
    visual, audio = (
        torch.from_numpy(rule_input(name, shape))
        for name, shape in (("grid", (1, 2, 7, 7, 6)), ("audio", (1, 2, 5)))
    )
    for step in range(2):
        cells, sound = visual[0, step].reshape(49, 6), audio[0, step]
        seen = pool.affine_v(torch.relu(pool.affine_video(cells)))
        heard = pool.affine_g(torch.relu(pool.affine_audio(sound)))
        scores = [pool.affine_h(torch.tanh(seen[r] + heard[r])) for r in range(49)]
        expected = torch.cat(scores).softmax(0) @ cells
        torch.testing.assert_close(pool(visual, audio)[0, step], expected, atol=1e-6, rtol=1e-5)


def test_layers_begin_as_copies_and_norms_and_biases_are_plain():
    model = TIM(**SMALL)
    first, second = model.transformer_encoder.layers
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b) and a is not b
    assert first.self_attn.in_proj_bias.abs().max() == 0
    assert first.self_attn.out_proj.bias.abs().max() == 0
    assert first.self_attn.in_proj_weight.abs().max() <= (6 / (48 + 16)) ** 0.5
    assert model.feature_encoding.visual_modality_encoding.std() < 0.03


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nhead": 5}, "5 heads do not divide the width 16"),
        ({"model_modality": "visual"}, "a model of visual features predicts no audio_visual"),
        ({"visual_classes": (4, 5)}, r"visual classes \(4, 5\): give one number or three"),
        (
            {"model_modality": "visual", "data_modality": "visual", "apply_feature_pooling": True},
            "audio-guided",
        ),
    ],
)
def test_arguments_that_do_not_go_together_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        TIM(**(SMALL | changes))


@pytest.mark.gpu
@torch.inference_mode()
def test_the_gpu_agrees_with_the_cpu():
    model, (visual, audio, times, *sizes) = small_model(), small_inputs()
    expected = model(visual, audio, times, *sizes)
    output = model.cuda()(visual.cuda(), audio.cuda(), times.cuda(), *sizes)
    for a, b in zip(output[:4], expected[:4], strict=True):
        torch.testing.assert_close(a.cpu(), b, atol=1e-4, rtol=1e-4)
