import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_training import CLASSES, RATE, TINY, events_table, run, write_pack

from avlib.datasets.tables import EVENTS
from avlib.errors import CheckpointError, ConfigError, DataError
from avlib.evaluation.headline import headline
from avlib.evaluation.metrics_file import Provenance
from avlib.evaluation.recognition import recognition_metrics
from avlib.extractors.auditory_slowfast.evaluation import evaluate_asf, read_classifier
from avlib.extractors.auditory_slowfast.log_mel import log_mel
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.steps import initialise
from avlib.extractors.auditory_slowfast.weights import load_network
from avlib.io.packs import WaveformStore
from avlib.io.tables import write_table
from avlib.io.weights import save_weights
from avlib.training.event_recognition import TrainingInputs
from avlib.training.recipes import with_heads
from avlib.training.schedules import Schedule

ACTIONS = {"verb_class": ["low", "high"], "noun_class": ["a", "b", "c"]}


def actions_table():
    events = events_table().rename(columns={"class_id": "verb_class"})
    return events.assign(noun_class=np.arange(len(events)) % 3, class_id=pd.NA)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A pack, and weights of two tones after one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = replace(TINY, schedule=Schedule(0.01, epochs=1))
    return run(folder, recipe=recipe)["model_path"]


def evaluate(folder, checkpoint, events=None, classes=CLASSES, recipe=None):
    """Return what the stage writes of the pack of the tests."""
    table = events_table() if events is None else events
    for column in ("verb_class", "noun_class", "action_class", "class_id"):
        known = table.get(column, pd.NA)
        table = table.assign(**{column: pd.array(np.broadcast_to(known, len(table)), "Int64")})
    columns = [column.name for column in EVENTS.columns]
    write_table(table[columns], folder / "events.parquet", EVENTS)
    (folder / "classes.json").write_text(json.dumps(classes))
    evaluate_asf(
        TrainingInputs(
            events=folder / "events.parquet",
            classes=folder / "classes.json",
            packs=[write_pack(folder / "pack.h5")],
            rate=RATE,
            initial_weights=checkpoint,
        ),
        recipe=recipe,
        device="cpu",
        provenance=Provenance({"study": "tones"}, {}, {"asf": "trained"}, {}),
        target=folder / "test_metrics.json",
    )
    return json.loads((folder / "test_metrics.json").read_text())


def test_views_are_those_of_the_plain_loop(tmp_path, trained):
    """The probabilities of five places from start to end are added up."""
    table = events_table().assign(split="test")
    content = evaluate(tmp_path, trained, table)
    network = load_network(trained)
    with WaveformStore([tmp_path / "pack.h5"], sample_rate=RATE) as waveforms:
        for views in (1, 5):
            scores = []
            for row in table.itertuples():
                start, stop = round(row.start_s * RATE), round(row.stop_s * RATE)
                total = 0
                for offset in np.linspace(0, stop - start - 15_984, views):
                    first = int(start + offset)
                    waveform = waveforms.read(row.video_id, first, int(start + offset + 15_983))
                    spectrogram = log_mel(torch.from_numpy(waveform), sample_rate=RATE)
                    with torch.inference_mode():
                        (logits,) = network(spectrogram[None, None])
                    total = total + logits.softmax(dim=1)[0].numpy()
                scores.append(total)
            expected = recognition_metrics(np.stack(scores), table["class_id"])
            found = content["metrics"][f"views_{views}"]["audio"]
            assert found.pop("per_class")["AP"].keys() == {"low", "high"}
            for name, value in found.items():
                wanted = expected[name]
                assert value == (wanted and pytest.approx(wanted, rel=1e-5)), name


def test_the_file_says_what_was_evaluated_and_how(tmp_path, trained):
    events = events_table()
    events.loc[events["video_id"] == "video7", "video_id"] = "silent"
    content = evaluate(tmp_path, trained, events)
    assert (content["study"], content["split"]) == ("tones", "test")
    assert content["counts"] == {"events_evaluated": 1, "events_without_audio": 1}
    assert content["models"]["asf"]["weights"] == "trained"
    assert "Auditory SlowFast was trained here" in content["notes"][0]
    assert [line.split(" accuracy")[0] for line in headline(content)[:2]] == [
        "Auditory SlowFast, 1 view: top-1",
        "Auditory SlowFast, 5 views: top-1",
    ]


def test_where_the_labels_of_test_are_not_public_val_is_evaluated(tmp_path, trained):
    events = events_table(n_val=3)
    events["class_id"] = events["class_id"].mask(events["split"] == "test").astype("Int64")
    content = evaluate(tmp_path, trained, events)
    assert (content["split"], content["counts"]["events_evaluated"]) == ("val", 3)


def test_without_labelled_events_nothing_is_evaluated(tmp_path, trained):
    with pytest.raises(DataError, match="no event of split test or val has a label in class_id"):
        evaluate(tmp_path, trained, events_table(n_val=0, n_test=0))


def test_verbs_and_nouns_are_evaluated_alone_and_together(tmp_path):
    recipe = replace(with_heads(TINY, ACTIONS), schedule=Schedule(0.01, epochs=1))
    (tmp_path / "t").mkdir()
    weights = run(tmp_path / "t", actions_table(), recipe=recipe, classes=ACTIONS)["model_path"]
    sounds = events_table().assign(event_id=[f"sound{i}" for i in range(8)])
    both = pd.concat([actions_table(), sounds], ignore_index=True)
    content = evaluate(tmp_path, weights, both, {**ACTIONS, **CLASSES})
    found = content["metrics"]["views_5"]
    assert set(found) == {"verb", "noun", "verb_noun"}
    assert content["counts"]["events_evaluated"] == 2
    assert found["verb_noun"]["top1"] <= min(found["verb"]["top1"], found["noun"]["top1"])


@pytest.mark.parametrize(
    ("counts", "heads", "recipe", "clip_s"),
    [
        ([44], ("class_id",), "epic_sounds", 0.999),
        ([97, 300], ("verb_class", "noun_class"), "epic_kitchens", 1.999),
        ([63], ("action_class",), "small", 0.999),
    ],
)
def test_published_weights_are_known_by_their_classes(tmp_path, counts, heads, recipe, clip_s):
    network = AuditorySlowFast(num_classes=counts, width=8)
    initialise(network, seed=0)
    torch.save({"model_state": network.state_dict()}, tmp_path / "a.pyth")
    classes = {"class_id": 44, "verb_class": 97, "noun_class": 300, "action_class": 63}
    names = {column: [str(i) for i in range(count)] for column, count in classes.items()}
    found = read_classifier(tmp_path / "a.pyth", names, None)
    assert (found.heads, found.recipe.name, found.recipe.clip_s) == (heads, recipe, clip_s)
    assert read_classifier(tmp_path / "a.pyth", names, "vggsound").recipe.name == "vggsound"


def test_weights_of_other_classes_are_refused_with_both(tmp_path, trained):
    with pytest.raises(CheckpointError, match=r"\(2\) are not those .* 3 of class_id"):
        evaluate(tmp_path, trained, classes={"class_id": ["low", "high", "other"]})
    with pytest.raises(CheckpointError, match="not those of the study"):
        read_classifier(trained, {"class_id": ["high", "low"]}, None)


def test_audio_of_another_rate_than_the_recipe_is_refused(tmp_path, trained):
    with pytest.raises(ConfigError, match="for audio at 24000 Hz, this is at 16000 Hz"):
        evaluate(tmp_path, trained, recipe="epic_sounds")


def test_weights_without_a_classifier_are_refused(tmp_path):
    network = AuditorySlowFast(num_classes=[2], width=8)
    state = {n: v for n, v in network.state_dict().items() if not n.startswith("head.")}
    save_weights(tmp_path / "a.safetensors", state, {})
    with pytest.raises(CheckpointError, match="not those of the study"):
        read_classifier(tmp_path / "a.safetensors", CLASSES, None)
