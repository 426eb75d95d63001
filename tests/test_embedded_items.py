"""Clips, seconds and intervals that are searched by embeddings, as the stages write them."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scored_packs import KINDS, random_rows, write_packs
from tiny_clips import save_clap
from tiny_towers import TINY_CLIP, save_clap_folder, save_clip_folder
from tiny_weights import with_settings

from avlib.datasets.tables import CAPTIONED_CLIPS
from avlib.embedded_items import embedded_clips
from avlib.errors import ConfigError, DataError
from avlib.extractors.clip.weights import untrained_clip
from avlib.extractors.structure import own_settings
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.embeddings import WHOLE, Embeddings, write_embeddings
from avlib.io.tables import write_table
from avlib.io.text_tokens import write_byte_tokenizer
from avlib.report.found_seconds import search_lines
from avlib.studies import Config
from avlib.study_search import search_study
from avlib.tagging.archive import Leg
from avlib.tagging.moments import Moment
from avlib.tagging.nearest_items import nearest_items
from avlib.tagging.text_towers import embedded, load_network, weights_name
from avlib.valor.captions import CLAP_CAPTIONS, CLIP_CAPTIONS
from avlib.valor.queries import caption_vector, captions_of

ASKED = {"clap": np.eye(4, dtype=np.float32)[0], "egovlp": np.eye(3, dtype=np.float32)[1]}


def write_clips(folder, n_clips):
    """Write clips of which the first is what ASKED asks for; the second has no picture."""
    rng = np.random.default_rng(0)
    ids = [f"clip {i}" for i in range(n_clips)]
    rows = {"event_id": ids, "video_id": [f"video {i % 3}" for i in range(n_clips)]}
    rows |= {"start_s": np.arange(n_clips) + 0.5, "stop_s": np.arange(n_clips) + 2.5}
    rows |= {"start_frame": None, "stop_frame": None}
    write_table(pd.DataFrame(rows), folder / "annotations/all/clips.parquet", CAPTIONED_CLIPS)
    for network, vector in ASKED.items():
        vectors = rng.normal(size=(n_clips, len(vector))).astype(np.float32)
        vectors[0] = 5 * vector
        keys = ids
        if network == "egovlp":
            keys, vectors = [ids[0], *ids[2:]], np.delete(vectors, 1, axis=0)
        for shard in range(2):  # a second row of a clip is another crop
            own = slice(shard, None, 2)
            part = [*keys[own], *keys[own]]
            content = np.concatenate([vectors[own], -vectors[own]])
            crops = np.repeat([WHOLE, 7], len(keys[own]))
            write_embeddings(
                folder / f"embeddings/{network}/{shard}.h5",
                Embeddings(part, crops, content, [""] * len(part)),
            )


def best_clips(folder, top, monkeypatch):
    """Search with ASKED in place of the embeddings of words."""
    monkeypatch.setattr(
        "avlib.embedded_items._text_vector", lambda words, network, *_: ASKED[network]
    )
    return nearest_items("rinse a pan", *embedded_clips(folder, "rinse a pan", Config())[:2], top)


@pytest.mark.parametrize(("n_clips", "unit"), [(120, "deviations"), (20, "cosine")])
def test_the_clip_nearest_in_all_networks_is_the_first(tmp_path, monkeypatch, n_clips, unit):
    write_clips(tmp_path, n_clips)
    found = best_clips(tmp_path, 5, monkeypatch)
    best = found.hits[0]
    assert best[:3] == ("video 0", 0.5, 2.5)
    assert (found.unit, found.searched, found.items) == (unit, n_clips, "clips")
    assert best.score == pytest.approx(np.mean(list(best.parts.values())))
    assert [hit.score for hit in found.hits] == sorted((h.score for h in found.hits), reverse=True)
    assert "clips; scores are" in search_lines(found)[0]


def test_a_clip_that_a_network_lacks_has_the_score_of_the_others(tmp_path, monkeypatch):
    write_clips(tmp_path, 20)
    found = best_clips(tmp_path, 20, monkeypatch)
    (hit,) = [hit for hit in found.hits if hit.start_s == 1.5]
    assert set(hit.parts) == {"clap"}
    assert hit.score == hit.parts["clap"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a configuration that says nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").touch()
    return tmp_path


def test_a_study_of_another_kind_than_its_folder_is_one_line(here):
    write_clips(here / "results/ave", 20)
    with pytest.raises(ConfigError, match="ave has no network clap"):
        search_study(here / "results/ave", "rinse a pan", top=5)


def write_features(folder, kind, features):
    """Write features of videos in the layout of LLP, and their index."""
    rows = {column.name: "" for column in FEATURES.columns}
    rows |= {"status": "ok", "intervals": 10, "views": 1, "channels": 24, "padded_intervals": 0}
    (folder / kind).mkdir(parents=True)
    for shard, ids in enumerate([sorted(features)[::2], sorted(features)[1::2]]):
        table = [rows | {"video_id": i, "split": "test", "path": f"{i}.npy"} for i in ids]
        columns = [column.name for column in FEATURES.columns]
        table = pd.DataFrame(table, columns=columns)
        write_table(table, folder / kind / f"shards/{shard}.parquet", FEATURES)
    for video_id, rows in features.items():
        np.save(folder / kind / f"{video_id}.npy", rows.astype(np.float32))


@pytest.fixture
def llp(here):
    """Features of LLP's teachers; second 3 of `b` is that of a dog, and `a` has no sound."""
    folder, rng = here / "results/llp", np.random.default_rng(0)
    (folder / "model/clip").mkdir(parents=True)
    (folder / "labels.json").touch()
    sizes = replace(TINY_CLIP, positions=77, vocabulary=49_408)
    state = with_settings(untrained_clip(sizes, 0).model.state_dict(), own_settings(sizes))
    clip = folder / "model/clip/model.safetensors"
    torch.save(state, clip)
    write_byte_tokenizer(folder / "model/clap/tokenizer")
    clap = save_clap(folder / "model/clap/model.safetensors")
    asked = {
        "clip": caption_vector("visual", "A photo of a dog.", clip, None),
        "clap_segments": caption_vector(
            "audio", "This is a sound of dog", clap, folder / "model/clap/tokenizer"
        ),
    }
    for kind, vector in asked.items():
        features = {name: rng.normal(size=(10, len(vector))) for name in "abc"}
        features["b"][3] = 5 * vector
        if kind == "clap_segments":
            del features["a"]
        write_features(folder / "features", kind, features)
    return folder


@pytest.mark.parametrize("words", ["Dog", "dog", "a dog"])
def test_seconds_of_llp_are_found_by_the_captions_of_its_teachers(llp, words):
    found = search_study(llp, words, top=40)
    assert found.hits[0][:3] == ("b", 3.0, 4.0)
    assert found.hits[0].parts == pytest.approx({"clap": 1, "clip": 1}, abs=1e-5)
    assert (found.items, found.searched, found.unit, found.remark) == ("seconds", 30, "cosine", "")
    assert all(set(hit.parts) == {"clip"} for hit in found.hits if hit.video_id == "a")


def test_words_that_clip_has_no_tokens_for_are_heard_alone(llp):
    found = search_study(llp, "a bird", top=3)
    assert set(found.legs) == {"clap"}
    assert found.remark.startswith("clip is left out: llp.teachers.visual.tokenizer: name the")
    (llp / "features/clap_segments/shards/0.parquet").unlink()
    with pytest.raises(ConfigError, match=r"clap is left out.*clip is left out"):
        search_study(llp, "a bird", top=3)
    assert set(search_study(llp, "a cat", top=3).legs) == {"clip"}


def test_features_of_other_weights_are_one_line(llp):
    for name in "abc":
        np.save(llp / f"features/clip/{name}.npy", np.zeros((10, 7), np.float32))
    with pytest.raises(DataError, match="clip: its stored embeddings have 7 channels"):
        search_study(llp, "a dog", top=3)


def test_a_class_has_its_captions_and_other_words_a_caption_of_their_form():
    published = CLAP_CAPTIONS, CLIP_CAPTIONS
    drummers = captions_of("a drummer", *published)
    assert drummers == {
        "audio": "This is a sound of a drummer",
        "visual": "A photo of a drummer.",
    }
    lawn = {"audio": "This is a sound of lawn mower", "visual": "A photo of a lawnmower."}
    for words in ("Lawn_mower".replace("_", " "), "lawn mower", "a lawnmower"):
        assert captions_of(words, *published) == lawn


@pytest.fixture
def custom(here):
    """Intervals with features of CLAP and CLIP; the last of `b` is like a dog barking."""
    folder, rng = here / "results/custom", np.random.default_rng(0)
    paths = {"clap": save_clap_folder(here / "clap"), "clip": save_clip_folder(here / "clip")}
    config = {"custom": {"checkpoints": {n: str(path) for n, path in paths.items()}}}
    (here / "config.yaml").write_text(json.dumps(config))
    starts = np.arange(6) * 0.5
    for split, ids in {"train": ["a"], "val": [], "test": ["a", "b"]}.items():
        rows = {column.name: None for column in INTERVALS.columns}
        table = pd.DataFrame([rows | {"video_id": i, "start_s": s} for i in ids for s in starts])
        table = table.reindex(columns=list(rows))
        table["stop_s"] = table["start_s"] + 1
        table[["interval_id", "centre_s"]] = "", 0.0
        write_table(table, folder / f"intervals/{split}.parquet", INTERVALS)
    for network, path in paths.items():
        (vector,) = embedded(load_network(network, path, 0), ["a dog barking"], path.parent)
        index = []
        for split, name in (("train", "a"), ("test", "a"), ("test", "b")):
            features = rng.normal(size=(6, 1, len(vector))).astype(np.float32)
            if name == "b":
                features[5, 0] = vector
            target = folder / f"features/{network}/{split}/{name}.npy"
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, features)
            row = {column.name: 0 for column in FEATURES.columns} | {"status": "ok"}
            row |= {"video_id": name, "split": split, "path": f"{split}/{name}.npy"}
            index.append(row | {"content_hash": "", "message": ""})
        write_table(pd.DataFrame(index), folder / f"features/{network}/index.parquet", FEATURES)
    return folder


def test_intervals_of_ones_own_videos_are_found_by_clap_and_clip(custom):
    found = search_study(custom, "a dog barking", top=30)
    assert found.hits[0][:3] == ("b", 2.5, 3.5)
    assert found.hits[0].parts == pytest.approx({"clap": 1, "clip": 1}, abs=1e-5)
    assert (found.items, found.searched) == ("intervals", 18)


def test_a_network_whose_files_are_not_named_is_left_out(custom):
    (custom.parents[1] / "clip/merges.txt").unlink()
    found = search_study(custom, "a dog barking", top=1)
    assert found.hits[0].parts == pytest.approx({"clap": 1}, abs=1e-5)
    assert "clip is left out: custom.tags.tokenizers.clip" in found.remark
    (custom.parents[1] / "config.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"clap is left out: custom\.checkpoints\.clap: name the"):
        search_study(custom, "a dog barking", top=1)


def test_a_damaged_feature_is_named(custom):
    (custom / "features/clip/test/a.npy").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"test/a\.npy: not a readable feature file"):
        search_study(custom, "a dog barking", top=1)


def test_a_search_names_what_it_lacks(here):
    for given, message in (
        ({"words": None, "top": 1}, "either words or like"),
        ({"words": "dog", "like": Moment("a", 1), "top": 1}, "either words or like"),
        ({"words": "dog", "top": 0}, "top: a number from 1 on, not 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            search_study(here, **given)
    for folder, words, message in (
        (here / "nowhere", "dog", "nowhere: no such folder; name the results"),
        (here, " ", "no words"),
        (here, "dog", "its seconds have no scores; run make see"),
    ):
        with pytest.raises(DataError, match=message):
            search_study(folder, words, top=1)


def test_legs_of_tags_that_take_texts_are_asked_by_their_own_network(here):
    folder = here / "results/custom"
    path = save_clip_folder(here / "clip")
    vector = embedded(load_network("clip", path, 0), ["a dog barking"], here / "clip")[0]
    picture = Leg("clip", weights_name(path, 0), ("tench",), len(vector), 10.0)
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(120, len(vector))).astype(np.float16)
    embedding[70] = vector
    rows = np.zeros((120, 1), np.uint8), embedding
    write_packs(folder, [{"a": {"picture": rows}}], {**KINDS, "picture": picture})
    config = {"custom": {"checkpoints": {"clip": str(path)}}}
    (here / "config.yaml").write_text(json.dumps(config))
    found = search_study(folder, "a dog barking", top=2)
    assert found.hits[0][:3] == ("a", 70.0, 71.0)
    (here / "config.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"custom\.checkpoints\.clip: name the weights that"):
        search_study(folder, "a dog barking", top=2)


def test_what_a_search_by_scores_imports_has_no_torch():
    look = "import sys, avlib.study_search, avlib.report.found_seconds; "
    look += "import avlib.extractors.minilm.texts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_a_search_for_moments_imports_no_torch(here):
    draw = np.random.default_rng(0)
    write_packs(here / "own", [{"a": {leg: random_rows(leg, 9, draw) for leg in KINDS}}])
    look = "import sys; from avlib.__main__ import main; "
    look += "main(['search', '--in', 'own', '--like', 'a@1']); sys.exit('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", look], check=False, capture_output=True, text=True)
    assert run.returncode == 0
    assert "players: own/search.html" in run.stdout
