"""The stage that fuses soundtracks with scores of their videos, ours or given."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from avlib.errors import DataError
from avlib.io.tables import read_table, write_table
from avlib.soundtracks.fusion import fuse_scores
from avlib.soundtracks.score_files import FusionFiles, ScoreFiles
from avlib.soundtracks.sweep import Fusion, Paired, sweep, weight_grid
from avlib.soundtracks.tables import FUSED_ANSWERS, SCORED_VIDEOS, SOUNDTRACKS

CLASSES = [f"class_{letter}" for letter in "abcdefgh"]
N, N_VAL = 60, 20
# Names of Kinetics: the end of a name may be lost, the part before it tells videos apart.
IDS = [f"v_{i:011d}_{i:06d}_{i + 10:06d}" for i in range(N)]
SPLIT = np.array(["val"] * N_VAL + ["test"] * (N - N_VAL))


def drawn_scores():
    """Scores of all videos, of which the visual ones are better."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 8, N)
    truth = np.eye(8)[labels]
    audio = 2 * rng.standard_normal((N, 8)) + 2 * truth
    video = 2 * rng.standard_normal((N, 8)) + 3 * truth
    return Paired(audio, video.astype(np.float32), labels)


PAIRS = drawn_scores()


def write_audio(folder, clips=None, ids=IDS):
    clips = np.full(N, 10) if clips is None else clips
    rows = {"video_id": ids, "split": SPLIT, "clips": clips, "class_id": PAIRS.labels}
    write_table(pd.DataFrame(rows), folder / "soundtracks.parquet", SOUNDTRACKS)
    np.save(folder / "audio.npy", np.where(clips[:, None] > 0, PAIRS.audio, 0))


def write_video(folder):
    """Scores as `score_videos` writes them, in another order."""
    order = np.random.default_rng(2).permutation(N)
    rows = {
        "video_id": np.array(IDS)[order],
        "split": SPLIT[order],
        "class_id": PAIRS.labels[order],
    }
    write_table(pd.DataFrame(rows), folder / "videos.parquet", SCORED_VIDEOS)
    np.save(folder / "video.npy", PAIRS.video[order])
    return ScoreFiles(folder / "video.npy", folder / "videos.parquet")


def write_given(folder, rows, *, layout=lambda scores: scores, line="{path} 300 {number}"):
    """Scores and the list of their videos as they are published."""
    lines = [
        line.format(path=f"/data/val/{CLASSES[PAIRS.labels[i]]}/{IDS[i]}", number=PAIRS.labels[i])
        for i in rows
    ]
    (folder / "list.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
    np.save(folder / "given.npy", layout(PAIRS.video[rows]))
    return ScoreFiles(folder / "given.npy", folder / "list.txt.gz")


def run(folder, video, *, classes=CLASSES, **settings):
    (folder / "classes.json").write_text(json.dumps({"class_id": classes}))
    fuse_scores(
        ScoreFiles(folder / "audio.npy", folder / "soundtracks.parquet"),
        video,
        folder / "classes.json",
        fusion=Fusion(**settings),
        targets=FusionFiles(
            folder / "fusion.json", folder / "sweep.csv", folder / "answers.parquet"
        ),
    )
    return json.loads((folder / "fusion.json").read_text())


def best_weight(chosen):
    found = sweep(PAIRS.part(chosen), weight_grid())
    return float(found.weights[found.best()])


def test_the_weight_comes_from_the_validation_videos_and_the_report_is_of_the_others(tmp_path):
    write_audio(tmp_path)
    report = run(tmp_path, write_video(tmp_path))
    assert report["counts"]["evaluated"] == N - N_VAL
    assert report["counts"]["validation"] == N_VAL
    fused = report["scores"]["fused"]
    assert fused["weight"] == best_weight(SPLIT == "val") != best_weight(SPLIT == "test")
    assert fused["weight_from"] == "validation"
    answers = read_table(tmp_path / "answers.parquet", FUSED_ANSWERS)
    assert answers["video_id"].tolist() == IDS[N_VAL:]
    rows = sweep(PAIRS.part(SPLIT == "test"), weight_grid()).rows()
    np.testing.assert_allclose(pd.read_csv(tmp_path / "sweep.csv"), rows, rtol=1e-12)
    assert report["reference"]["weight"] == best_weight(SPLIT == "test")


def test_the_weight_may_come_from_the_evaluated_videos_as_published(tmp_path):
    write_audio(tmp_path)
    report = run(tmp_path, write_video(tmp_path), weight_from="evaluation")
    assert report["scores"]["fused"]["weight"] == best_weight(SPLIT == "test")
    record = {name: report["scores"]["fused"][name] for name in ("weight", "top1", "top5")}
    assert record.items() <= report["reference"].items()


@pytest.mark.parametrize(
    "layout",
    [lambda scores: scores, lambda scores: scores[:, None], lambda scores: scores.T[:, :, None]],
    ids=["rows", "published file", "published description"],
)
@pytest.mark.parametrize("line", ["{path} 300 {number}", "{path}"], ids=["published", "paths"])
def test_given_scores_are_matched_by_the_names_of_their_list(tmp_path, layout, line):
    """They are of the evaluated videos only, so the weight is chosen on halves of them."""
    write_audio(tmp_path, ids=[video_id[:21] + "0.wav" for video_id in IDS])
    order = np.random.default_rng(3).permutation(np.arange(N_VAL, N))
    report = run(tmp_path, write_given(tmp_path, order[:-3], layout=layout, line=line))
    assert report["counts"]["evaluated"] == 37
    assert report["counts"]["without_video"] == 3
    assert report["counts"]["without_audio"] == 0
    assert report["scores"]["fused"]["weight_from"] == "other_half"
    is_used = np.isin(np.arange(N), order[:-3])
    assert report["reference"]["weight"] == best_weight(is_used)


def test_given_scores_of_validation_videos_choose_the_weight(tmp_path):
    write_audio(tmp_path)
    report = run(tmp_path, write_given(tmp_path, np.arange(N)))
    assert report["scores"]["fused"]["weight"] == best_weight(SPLIT == "val")
    left_out = {"without_video": 0, "without_audio": 0, "without_clips": 0}
    counts = {"evaluated": N - N_VAL, "validation": N_VAL, **left_out}
    assert report["counts"] == counts


def test_soundtracks_without_a_clip_choose_nothing(tmp_path):
    """The validation videos have no sound that is long enough, so halves are taken."""
    write_audio(tmp_path, clips=np.where(SPLIT == "val", 0, 10))
    report = run(tmp_path, write_video(tmp_path))
    assert report["scores"]["fused"]["weight_from"] == "other_half"
    assert report["counts"]["validation"] == 0


def test_scores_of_other_classes_are_refused(tmp_path):
    write_audio(tmp_path)
    given = write_given(tmp_path, np.arange(N), layout=lambda scores: scores[:, :7])
    with pytest.raises(DataError, match=r"given.npy: scores of shape \(60, 7\), .* 8 classes"):
        run(tmp_path, given)
    with pytest.raises(DataError, match=r"audio.npy: scores of shape \(60, 8\), .* 9 classes"):
        run(tmp_path, given, classes=[*CLASSES, "other"])


def test_a_list_that_names_other_videos_is_refused(tmp_path):
    write_audio(tmp_path)
    given = write_given(tmp_path, np.arange(N_VAL, N))
    names = "\n".join(f"/data/val/class_a/w_{i:011d}_{i:06d}" for i in range(N - N_VAL))
    given.rows.write_bytes(gzip.compress(names.encode()))
    with pytest.raises(DataError, match=r"no name of .*audio.npy is one of .*given.npy: 40 "):
        run(tmp_path, given)


def test_a_list_that_numbers_the_classes_otherwise_is_refused(tmp_path):
    write_audio(tmp_path)
    given = write_given(tmp_path, np.arange(N_VAL, N))
    lines = [
        f"/data/val/{CLASSES[PAIRS.labels[i]]}/{IDS[i]} 300 {7 - PAIRS.labels[i]}"
        for i in range(N_VAL, N)
    ]
    given.rows.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(DataError, match=r"is of class \d in the study, but of \d in the list of"):
        run(tmp_path, given)


def test_a_list_of_another_length_is_refused(tmp_path):
    write_audio(tmp_path)
    given = write_given(tmp_path, np.arange(N_VAL, N))
    np.save(given.scores, PAIRS.video)
    with pytest.raises(DataError, match="but the list names 40 videos"):
        run(tmp_path, given)
