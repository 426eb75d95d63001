import json

import pytest

from avlib.errors import DataError
from avlib.io.hashes import file_hash
from avlib.valor.metrics import TABLE
from avlib.valor.variants import summarise_variants

MODELS = {"parser": {"weights": "trained", "sha256": "ab"}}
NOTES = ["The data set is rendered.", "The parser was trained here."]


def write_metrics(folder, variant, first, **changes):
    """Write a metrics file whose scores count up from `first`."""
    scores = {name: first + i for i, name in enumerate(TABLE)}
    content = {
        "study": "llp",
        "config_hash": "0123",
        "metrics": {"test": scores | {"videos": 24, "per_class": {}}},
        "counts": {},
        "models": MODELS,
        "notes": NOTES,
    }
    path = folder / variant / "test_metrics.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content | changes), encoding="ascii")
    return path


def summarised(folder, **metrics):
    summarise_variants(metrics, folder / "summary.json")
    return json.loads((folder / "summary.json").read_text())


def test_scores_stand_beside_the_published_ones(tmp_path):
    path = write_metrics(tmp_path, "valor", 40.0)
    found = summarised(tmp_path, valor=path)
    entry = found["variants"]["valor"]
    assert entry["scores"] == {name: 40.0 + i for i, name in enumerate(TABLE)}
    assert list(entry["published"]) == sorted(TABLE)
    assert entry["published"]["Seg-type"] == 62.0
    assert entry["published"]["Event-event"] == 54.2
    assert entry["models"] == MODELS
    assert (found["study"], found["config_hash"], found["split"]) == ("llp", "0123", "test")
    assert found["inputs"] == {"valor": file_hash(path)}


def test_gains_are_points_above_the_baseline(tmp_path):
    paths = {name: write_metrics(tmp_path, name, f) for name, f in (("han", 30.0), ("valor", 38.5))}
    variants = summarised(tmp_path, **paths)["variants"]
    assert variants["valor"]["gain_over_han"] == {"Seg-type": 8.5, "Event-type": 8.5}
    assert variants["han"]["gain_over_han"] == {"Seg-type": 0.0, "Event-type": 0.0}


def test_without_the_baseline_there_are_no_gains(tmp_path):
    found = summarised(tmp_path, valor=write_metrics(tmp_path, "valor", 40.0))
    assert found["variants"]["valor"]["gain_over_han"] is None


def test_a_split_without_videos_has_no_scores_and_no_gain(tmp_path):
    nothing = {"metrics": {"test": dict.fromkeys(TABLE)}}
    paths = {name: write_metrics(tmp_path, name, 0.0, **nothing) for name in ("han", "valor")}
    entry = summarised(tmp_path, **paths)["variants"]["valor"]
    assert set(entry["scores"].values()) == {None}
    assert entry["gain_over_han"] == {"Seg-type": None, "Event-type": None}


def test_notes_are_said_once_and_published_scores_are_explained(tmp_path):
    notes = [*NOTES, "The weights of valor were given."]
    paths = {
        "han": write_metrics(tmp_path, "han", 30.0),
        "valor": write_metrics(tmp_path, "valor", 30.0, notes=notes),
    }
    found = summarised(tmp_path, **paths)["notes"]
    assert found[:-1] == notes
    assert "LLP" in found[-1] and "2505.09615" in found[-1]


def test_the_same_metrics_give_the_same_bytes(tmp_path):
    paths = {name: write_metrics(tmp_path, name, 30.0) for name in ("han", "valor")}
    for name in ("a.json", "b.json"):
        summarise_variants(paths, tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def without_a_score(path):
    content = json.loads(path.read_text())
    del content["metrics"]["test"]["Seg-av"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "FileNotFoundError"),
        (lambda path: path.write_text("{"), "JSONDecodeError"),
        (lambda path: path.write_text("[]"), "no metrics file of the parser"),
        (lambda path: path.write_text('{"metrics": {}}'), "KeyError: 'test'"),
        (without_a_score, "holds no Seg-av"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, damage, message):
    path = write_metrics(tmp_path, "valor", 40.0)
    damage(path)
    with pytest.raises(DataError, match=message) as caught:
        summarised(tmp_path, valor=path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "summary.json").exists()


@pytest.mark.parametrize("name", ["study", "config_hash"])
def test_variants_of_several_settings_are_not_compared(tmp_path, name):
    paths = {
        "han": write_metrics(tmp_path, "han", 30.0),
        "valor": write_metrics(tmp_path, "valor", 40.0, **{name: "other"}),
    }
    with pytest.raises(DataError, match=f"{name} is 'other'"):
        summarised(tmp_path, **paths)
