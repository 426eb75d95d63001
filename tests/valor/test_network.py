import pytest
import torch
from golden.fill import fill_by_rule
from tiny_golden import contents
from torch import nn
from torch.nn import functional

from avlib.valor.network import (
    BaselineParser,
    EventParser,
    HybridLayer,
    SegmentAttention,
    clap_time_map,
    pool_to_segments,
)
from avlib.valor.recipes import PARSER_RECIPES
from avlib.valor.weights import PARSERS, network_sizes

SIZES = {
    "audio_dim": 6,
    "visual_dim": 8,
    "motion_dim": 5,
    "hidden_dim": 16,
    "nhead": 4,
    "ff_dim": 12,
    "num_layers": 3,
    "num_classes": 7,
}


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(batch=3):
    return [drawn(batch, 10, SIZES[f"{name}_dim"]) for name in ("audio", "visual", "motion")]


def parser(kind=EventParser, **changes):
    model = kind(**(SIZES | changes)).eval()
    fill_by_rule(model, 0)
    return model


def test_attention_is_that_of_torch():
    attention, theirs = SegmentAttention(16, 4).eval(), nn.MultiheadAttention(16, 4)
    theirs.load_state_dict(attention.state_dict())
    x, other = drawn(10, 3, 16), drawn(10, 3, 16, seed=1)
    for source in (x, other):
        expected, _ = theirs(x, source, source)
        found = attention(x.flatten(0, 1), source.flatten(0, 1), 10).view(10, 3, 16)
        torch.testing.assert_close(found, expected)


def test_attention_drops_a_tenth_of_its_weights_in_training():
    attention = SegmentAttention(8, 2).train()
    x = drawn(40, 8)
    torch.manual_seed(0)
    a, b = attention(x, x, 10), attention(x, x, 10)
    assert not torch.equal(a, b)
    assert torch.equal(attention.eval()(x, x, 10), attention(x, x, 10))


def test_dropout_and_relu_may_change_places():
    layer = HybridLayer(8, 2, 2000, "post_norm").train()
    nn.init.eye_(layer.linear2.weight)
    hidden = drawn(4, 2000)
    kept = torch.relu(layer.dropout(hidden.clone()))
    is_positive = hidden > 0
    assert kept[~is_positive].count_nonzero() == 0
    assert (kept[is_positive] == 0).float().mean().item() == pytest.approx(0.1, abs=0.02)
    survivors = kept > 0
    torch.testing.assert_close(kept[survivors], hidden[survivors] / 0.9)


def test_frames_may_be_averaged_before_they_are_projected():
    project, x = nn.Linear(8, 5), drawn(2, 80, 8)
    expected = project(x).view(2, 10, 8, 5).mean(dim=2)
    torch.testing.assert_close(project(pool_to_segments(x)), expected, atol=1e-6, rtol=1e-5)


def test_an_audio_map_may_be_pooled_before_it_is_projected():
    project, x = nn.Linear(6, 5), drawn(2, 64, 6)
    grid = x.view(2, 2, 32, 6).permute(0, 3, 1, 2)
    columns = functional.interpolate(grid, size=(2, 1024), mode="bicubic").permute(0, 2, 3, 1)
    projected = project(columns).mean(dim=1).transpose(1, 2)
    expected = functional.adaptive_avg_pool1d(projected, 10).transpose(1, 2)
    torch.testing.assert_close(project(pool_to_segments(x)), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(clap_time_map().sum(dim=1), torch.ones(10))


def test_segments_are_taken_as_they_are_and_other_rows_refused():
    x = drawn(2, 10, 3)
    assert pool_to_segments(x) is x
    with pytest.raises(ValueError, match=r"81 rows, expected one of \[10, 64, 80\]"):
        pool_to_segments(drawn(2, 81, 3))


@pytest.mark.parametrize("norm_where", ["post_norm", "pre_norm"])
def test_a_layer_is_what_the_paper_says(norm_where):
    layer = HybridLayer(16, 4, 12, norm_where).eval()
    fill_by_rule(layer, 1)
    x, o = drawn(30, 16), drawn(30, 16, seed=1)
    y = layer.norm1(x) if norm_where == "pre_norm" else x
    z = x + layer.cm_attn(y, o, 10) + layer.self_attn(y, y, 10)
    if norm_where == "pre_norm":
        expected = z + layer.linear2(torch.relu(layer.linear1(layer.norm2(z))))
    else:
        z = layer.norm1(z)
        expected = layer.norm2(z + layer.linear2(torch.relu(layer.linear1(z))))
    torch.testing.assert_close(layer(x, o, 10), expected)


def test_another_norm_is_refused():
    with pytest.raises(ValueError, match="norm_where: 'no_norm', expected one of post_norm"):
        EventParser(**SIZES, norm_where="no_norm")
    with pytest.raises(ValueError, match="baseline has post_norm only"):
        BaselineParser(**SIZES, norm_where="pre_norm")


def test_the_visual_stream_sees_the_audio_stream_that_has_changed():
    model = parser(num_layers=1)
    a, v = drawn(3, 10, 16), drawn(3, 10, 16, seed=1)
    layer = model.hat_encoder.layers[0]
    flat = [x.transpose(0, 1).flatten(0, 1) for x in (a, v)]
    audio = layer(*flat, 10)
    visual = layer(flat[1], audio, 10)
    found = model.hat_encoder(a, v)
    for x, expected in zip(found, (audio, visual), strict=True):
        torch.testing.assert_close(x, expected.view(10, 3, 16).transpose(0, 1))


def test_only_the_last_layer_of_the_baseline_counts():
    model, given = parser(BaselineParser), inputs()
    before = model(*given)
    nn.init.zeros_(model.hat_encoder.layers[1].linear1.weight)
    torch.testing.assert_close(model(*given), before)
    nn.init.zeros_(model.hat_encoder.layers[2].linear1.weight)
    assert not torch.equal(model(*given).global_prob, before.global_prob)


def test_probabilities_are_pooled_over_time_and_modality():
    model, given = parser(), inputs()
    z = torch.stack(model.hat_encoder(*model.streams(*given)), dim=2)
    found = model(*given)
    torch.testing.assert_close(found.frame_prob, found.frame_logits.sigmoid())
    attention = model.fc_frame_att(z).softmax(1) * model.fc_av_att(z).softmax(2)
    torch.testing.assert_close(found.global_prob, (found.frame_prob * attention).sum((1, 2)))
    over_time = (found.frame_prob * model.fc_frame_att(z).softmax(1)).sum(1)
    torch.testing.assert_close(torch.stack([found.a_prob, found.v_prob], dim=1), over_time)


def test_what_is_said_of_a_video_does_not_depend_on_others():
    model, given = parser(), inputs(5)
    together = model(*given)
    alone = model(*(x[2:3] for x in given))
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[2:3], b, atol=1e-6, rtol=1e-5)


def test_all_layers_begin_with_the_same_weights():
    first, *others = EventParser(**SIZES).hat_encoder.layers
    for layer in others:
        for a, b in zip(first.parameters(), layer.parameters(), strict=True):
            assert torch.equal(a, b) and a is not b


@pytest.mark.parametrize("stem", ["valor", "valor_plus", "valor_plusplus", "han_baseline"])
def test_weights_have_the_published_names_shapes_and_order(stem):
    names = {"valor": "valor", "valor_plus": "valor+", "valor_plusplus": "valor++"}
    recipe = PARSER_RECIPES[names.get(stem, "han")]
    with torch.device("meta"):
        model = PARSERS[recipe.network](**network_sizes(recipe))
    golden = contents(f"valor/state_dict_{stem}.json")[f"state_dict_{stem}"]["expected"]
    found = [[name, list(tensor.shape)] for name, tensor in model.state_dict().items()]
    assert found == [row[:2] for row in golden["entries"]["value"]]
