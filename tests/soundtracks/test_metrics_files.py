"""The metrics files of the studies of soundtracks."""

import json

import numpy as np
import pandas as pd
import pytest
from soundtrack_files import CLASSES, labelled_files, write_images, write_labels, write_manifest

from avlib.errors import DataError
from avlib.evaluation.metrics_file import Provenance
from avlib.io.hashes import file_hash
from avlib.io.tables import write_table
from avlib.report.confusion import draw_study_confusion
from avlib.soundtracks.counts import MadeImages
from avlib.soundtracks.fusion import fuse_scores
from avlib.soundtracks.k600_metrics import evaluate_k600
from avlib.soundtracks.score_files import FusionFiles, ScoreFiles
from avlib.soundtracks.sounds_metrics import evaluate_sounds
from avlib.soundtracks.sweep import Fusion
from avlib.soundtracks.tables import SCORED_VIDEOS, SOUNDTRACKS

STUDY = {"study": "k600", "config_hash": "0123"}
N, N_TEST = 40, 20


def write_scores(folder, rows, scores):
    """Write scores of soundtracks and their table, of kind SOUNDTRACKS."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(rows[["video_id", "split", "clips", "class_id"]], folder / "s.parquet", SOUNDTRACKS)
    np.save(folder / "s.npy", scores)
    return ScoreFiles(folder / "s.npy", folder / "s.parquet")


def drawn(class_ids, strength, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((len(class_ids), 2)) + strength * np.eye(2)[class_ids]


def weights(path):
    path.write_bytes(path.name.encode())
    return path


def fused(folder, classes, rows, *, without_scores, fusion):
    """Write audio and visual scores of `rows` and fuse them; return all but the visual files."""
    audio = drawn(rows["class_id"], 1.0, 0) * (rows["clips"].to_numpy()[:, None] > 0)
    heard = write_scores(folder, rows, audio)
    has_scores = ~rows["video_id"].isin(list(without_scores)).to_numpy()
    columns = ["video_id", "split", "class_id"]
    write_table(rows[has_scores][columns], folder / "videos.parquet", SCORED_VIDEOS)
    np.save(folder / "video.npy", drawn(rows["class_id"], 1.5, 1)[has_scores])
    reports = [folder / name for name in ("fusion.json", "sweep.csv", "answers.parquet")]
    seen = ScoreFiles(folder / "video.npy", folder / "videos.parquet")
    fuse_scores(heard, seen, classes, fusion=fusion, targets=FusionFiles(*reports))
    return {"audio": heard, "fusion": FusionFiles(*reports)}


def k600(folder, *, bad=None, clips=None, without_scores=(), fusion=None, **changes):
    """Evaluate a study in which some files are bad and some videos have no visual scores."""
    bad, clips = bad or {}, clips or {}
    files = labelled_files(N, n_val=10, n_test=N_TEST)
    labels = write_labels(folder, files)
    probed = {name: status for name, status in bad.items() if status != "wrong_rate"}
    rows = files[(files["split"] != "train") & ~files["video_id"].isin(list(bad))]
    rows = rows.assign(clips=[clips.get(v, 10) for v in rows["video_id"]])
    fusion = fusion or Fusion()
    arguments = {
        "made": MadeImages(
            write_manifest(folder / "manifest.parquet", files, **probed),
            write_images(folder / "mel", files, 1, **bad | clips).indices,
        ),
        **fused(folder, labels.classes, rows, without_scores=without_scores, fusion=fusion),
        "target": folder / "test_metrics.json",
    }
    provenance = {
        "study": STUDY,
        "models": {name: weights(folder / name) for name in ("soundtrack", "video")},
        "origins": {"soundtrack": "trained", "video": "trained"},
        "inputs": {"video_scores": folder / "video.npy"},
    }
    evaluate_k600(labels, **arguments, provenance=Provenance(**provenance | changes))
    return json.loads((folder / "test_metrics.json").read_text())


def test_all_shares_are_of_the_same_videos_and_fit_each_other(tmp_path):
    found = k600(tmp_path)
    report = json.loads((tmp_path / "fusion.json").read_text())
    metrics = found["metrics"]
    for name in ("top1", "top5"):
        for column, source in (("audio", "audio"), ("video", "video"), ("fusion", "fused")):
            assert metrics[name][column] == report["scores"][source][name]
    for modality in ("audio", "video", "fusion"):
        shares = metrics["class_accuracy"][modality]
        assert set(shares) == set(CLASSES)
        mean = np.mean(list(shares.values()))
        assert metrics["mean_class_accuracy"][modality] == pytest.approx(mean)
        # The classes are equally frequent.
        assert metrics["majority_share"][modality] == 1 / len(CLASSES)
        assert metrics["top1"][modality] == pytest.approx(mean)
    confusion = np.array(metrics["confusion"]["fusion"])
    assert confusion.sum() == N_TEST
    assert np.trace(confusion) / N_TEST == metrics["top1"]["fusion"]
    assert metrics["confusion"]["classes"] == CLASSES


def test_what_the_fusion_is_made_of_is_said(tmp_path):
    fusion = k600(tmp_path)["metrics"]["fusion"]
    report = json.loads((tmp_path / "fusion.json").read_text())
    assert fusion["weight"] == report["scores"]["fused"]["weight"]
    assert fusion["weight_from"] == "validation"
    assert fusion["probabilities"] == report["probabilities"]["fused"]
    assert fusion["reference"] == report["reference"]
    assert fusion["sweep"] == str(tmp_path / "sweep.csv")


def test_the_file_says_where_everything_comes_from(tmp_path):
    found = k600(tmp_path)
    assert (found["study"], found["config_hash"], found["split"]) == ("k600", "0123", "test")
    entry = {"weights": "trained", "sha256": file_hash(tmp_path / "video")}
    assert found["models"]["video"] == entry
    assert found["inputs"]["video_scores"] == file_hash(tmp_path / "video.npy")
    assert {"labels", "fusion", "sweep", "answers", "soundtrack_scores"} <= set(found["inputs"])
    assert {"avlib", "torch", "ffmpeg"} <= set(found["versions"])
    first, second = found["notes"]
    assert "Omnivore was trained here" in second + first
    assert "no weights are published" in first + second


def test_of_given_scores_and_a_weight_as_published_the_reader_is_warned(tmp_path):
    given = {
        "models": {"soundtrack": weights(tmp_path / "given"), "video": None},
        "origins": {"soundtrack": "given", "video": "given"},
    }
    found = k600(tmp_path, fusion=Fusion(weight_from="evaluation"), **given)
    assert found["models"]["video"] == {"weights": "given", "sha256": None}
    first, second = found["notes"]
    assert "which videos their network was trained on is not known" in first
    assert "chosen on the videos that it is reported on" in second


def test_each_file_that_is_left_out_is_named_once_with_the_reason(tmp_path):
    bad = {"video21": "no_audio", "video2": "unreadable", "video3": "wrong_rate"}
    found = k600(tmp_path, bad=bad, clips={"video30": 0}, without_scores=["video25"])
    counts = found["counts"]
    assert counts["files"] == N_TEST
    assert counts["videos"] == {"ok": N - 2, "no_audio": 1, "unreadable": 1}
    assert counts["test_videos"] == {"ok": N_TEST - 1, "no_audio": 1}
    statuses = {"ok": N - 4, "no_audio": 1, "unreadable": 1, "wrong_rate": 1, "too_short": 1}
    assert counts["audio_images"] == statuses
    named = {v["video_id"]: (v["left_out_by"], v["status"]) for v in counts["videos_left_out"]}
    assert named == {
        "video2": ("probe", "unreadable"),
        "video3": ("audio images", "wrong_rate"),
        "video21": ("probe", "no_audio"),
        "video25": ("visual scores", "no_scores"),
        "video30": ("audio images", "too_short"),
    }
    assert len(counts["videos_left_out"]) == len(named)
    assert counts["fusion"]["evaluated"] == N_TEST - 3
    assert counts["fusion"]["without_clips"] == counts["fusion"]["without_video"] == 1
    audio = found["metrics"]["audio"]
    assert audio["without_clips"] == 1
    assert (audio["reference"]["items"], audio["scored"]["items"]) == (N_TEST - 1, N_TEST - 2)


def test_the_same_files_give_the_same_bytes(tmp_path):
    files = ("fusion.json", "sweep.csv", "answers.parquet")
    k600(tmp_path)
    first = [(tmp_path / name).read_bytes() for name in files]
    metrics = (tmp_path / "test_metrics.json").read_bytes()
    k600(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in files] == first
    assert (tmp_path / "test_metrics.json").read_bytes() == metrics


def sounds(folder, files, *, bad=None, drop=(), **changes):
    """Evaluate a study of sounds; scores of the folds in `drop` are missing."""
    bad = bad or {}
    folds = sorted(set(files["fold"].dropna())) or ["all"]
    scores = {}
    for number, fold in enumerate(folds):
        is_test = files["fold"] == fold if fold != "all" else files["split"] == "test"
        rows = files[is_test & ~files["video_id"].isin(list(bad))].assign(split="test", clips=10)
        values = drawn(rows["class_id"], 1.0, number)
        if fold not in drop:
            scores[fold] = write_scores(folder / fold, rows, values)
    arguments = {
        "made": MadeImages(
            write_manifest(folder / "manifest.parquet", files, **bad),
            write_images(folder / "mel", files, 1, **bad).indices,
        ),
        "scores": scores,
        "target": folder / "test_metrics.json",
    }
    provenance = {
        "study": STUDY | {"study": "sounds"},
        "models": {fold: weights(folder / f"model_{fold}") for fold in scores},
        "origins": {"soundtrack": "trained"},
        "inputs": {},
    }
    labels = write_labels(folder, files)
    evaluate_sounds(labels, **arguments, provenance=Provenance(**provenance | changes))
    return json.loads((folder / "test_metrics.json").read_text())


def correct(folder):
    """Count correct predictions, and all, from the files of a fold."""
    rows = pd.read_parquet(folder / "s.parquet")
    predicted = np.load(folder / "s.npy").argmax(axis=1)
    return int((predicted == rows["class_id"]).sum()), len(rows)


def test_folds_are_reported_each_together_and_on_average(tmp_path):
    folds = ["1"] * 4 + ["2"] * 12 + ["3"] * 8
    found = sounds(tmp_path, labelled_files(24, folds=folds))
    metrics = found["metrics"]
    counts = {fold: correct(tmp_path / fold) for fold in "123"}
    shares = {fold: hits / items for fold, (hits, items) in counts.items()}
    assert metrics["accuracy_by_fold"] == shares
    assert metrics["accuracy"] == pytest.approx(np.mean(list(shares.values())))
    deviation = metrics["accuracy_over_folds"]["standard_deviation"]
    assert deviation == pytest.approx(np.std(list(shares.values()), ddof=1))
    assert metrics["pooled_accuracy"] == sum(hits for hits, _ in counts.values()) / 24
    assert metrics["pooled_accuracy"] != metrics["accuracy"]
    assert np.sum(metrics["confusion"]["audio"]) == found["counts"]["files"] == 24
    assert set(found["models"]["soundtrack"]) == set("123")
    assert {f"scores_{fold}" for fold in "123"} <= set(found["inputs"])
    assert "top5" not in metrics


def test_without_folds_the_test_split_is_reported(tmp_path):
    found = sounds(tmp_path, labelled_files(24, n_test=10))
    hits, items = correct(tmp_path / "all")
    assert (found["metrics"]["accuracy"], items) == (hits / 10, 10)
    assert not [name for name in found["metrics"] if "fold" in name]


def test_a_file_without_sound_is_named_and_not_counted(tmp_path):
    found = sounds(tmp_path, labelled_files(16, folds=["1", "2"] * 8), bad={"video3": "unreadable"})
    metrics, counts = found["metrics"], found["counts"]
    hits, items = np.sum([correct(tmp_path / fold) for fold in "12"], axis=0)
    assert metrics["pooled_accuracy"] == hits / items == hits / 15
    assert (counts["files"], counts["soundtracks_evaluated"]) == (16, 15)
    assert counts["files_without_sound"] == 1
    assert counts["test_videos"] == {"ok": 15, "unreadable": 1}
    named = [(v["video_id"], v["left_out_by"]) for v in counts["videos_left_out"]]
    assert named == [("video3", "probe")]


def test_scores_of_all_folds_are_needed(tmp_path):
    files = labelled_files(24, folds=["1", "2", "3"] * 8)
    with pytest.raises(DataError, match="has the folds 1, 2, 3, but there are scores of 1, 3"):
        sounds(tmp_path, files, drop=["2"])


def test_the_confusion_of_each_study_is_drawn(tmp_path):
    k600(tmp_path / "k600")
    sounds(tmp_path / "sounds", labelled_files(24, folds=["1", "2", "3"] * 8))
    for name, title in (
        ("k600", "k600, fusion of audio and visual scores: "),
        ("sounds", "sounds, audio: "),
    ):
        metrics = tmp_path / name / "test_metrics.json"
        draw_study_confusion(metrics, tmp_path / f"{name}.svg")
        assert title in (tmp_path / f"{name}.svg").read_text()
