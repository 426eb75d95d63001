import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden" / "valor"
SCORES = ["eval_chain", "eval_test", "eval_val"]
OTHERS = ["eval_event_edges", "index_rules", "labels", "pseudo_labels"]


def run(*paths):
    lines = []
    passed = verify(paths, device="cpu", dtype="float32", out=lines.append)
    return passed, lines


def changed(folder, stem, change, **arrays):
    """Copy a case under another name with another sidecar and other arrays."""
    sidecar = json.loads((GOLDEN / f"{stem}.json").read_text())
    change(sidecar)
    (folder / "other name.json").write_text(json.dumps(sidecar))
    if (GOLDEN / f"{stem}.npz").exists():
        with np.load(GOLDEN / f"{stem}.npz") as golden:
            np.savez(folder / "other name.npz", **dict(golden) | arrays)
    return run(folder)


@pytest.mark.parametrize("stem", SCORES + OTHERS)
def test_golden_cases_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]
    assert all(line.startswith("valor ") for line in lines[1:-1])


@pytest.mark.parametrize("stem", SCORES)
def test_label_files_are_compared_where_they_are(stem, shared_data, tmp_path, caplog):
    if not (shared_data / "llp").is_dir():
        pytest.skip(f"the label files of LLP are absent: {shared_data / 'llp'}")
    (tmp_path / "data").symlink_to(shared_data)
    folder = shutil.copytree(GOLDEN, tmp_path / "golden" / "valor")
    passed, lines = run(folder / f"{stem}.json")
    assert passed and sum("of the files" in line for line in lines) >= 2
    assert "not compared" not in caplog.text


@pytest.mark.parametrize("name", ["seg", "event", "aggregate__f64", "classwise_counts"])
def test_changed_scores_fail(tmp_path, name):
    with np.load(GOLDEN / "eval_chain.npz") as golden:
        array = golden[name].copy()
    array.flat[-1] += 1
    passed, lines = changed(tmp_path, "eval_chain", lambda sidecar: None, **{name: array})
    assert not passed and sum("FAIL" in line for line in lines) == 1


def test_other_videos_are_run(tmp_path):
    with np.load(GOLDEN / "eval_test.npz") as golden:
        arrays = {name: array[5:45] for name, array in golden.items() if array.ndim > 1}
    segment, event = (
        100 * arrays[name].astype(np.float64).mean(axis=0) for name in ("seg", "event")
    )
    table = [[*x[[0, 1, 3]], x[[0, 1, 3]].mean(), x[2]] for x in (segment, event)]
    arrays["aggregate__f64"] = np.ravel(table)
    passed, lines = changed(tmp_path, "eval_test", lambda s: s.update(tolerance=1e-5), **arrays)
    assert passed and len(lines) == 5, lines


@pytest.mark.parametrize(
    ("stem", "change"),
    [
        ("eval_event_edges", lambda s: s["pair_i_j_tp_fp_fn"][5].__setitem__(4, 4)),
        ("eval_event_edges", lambda s: s["events"][2].append([4, 5])),
        ("index_rules", lambda s: s["frames10"]["82"].__setitem__(3, 28)),
        ("index_rules", lambda s: s["audio_segments"][1]["start_stop"][3].__setitem__(0, 143_769)),
        ("index_rules", lambda s: s["audio_stretch"][4].update(sum=1)),
        ("labels", lambda s: s["rows"]["audio"][0].__setitem__(2, 5)),
        ("labels", lambda s: s["rows"]["weak"][0].__setitem__(1, "Cheering,Speech")),
        ("pseudo_labels", lambda s: s["thresholds_audio"].__setitem__(3, 3.5)),
    ],
)
def test_changed_rules_fail(tmp_path, stem, change):
    passed, lines = changed(tmp_path, stem, change)
    assert not passed and sum("FAIL" in line for line in lines) == 1, lines


def test_an_unknown_class_fails(tmp_path):
    passed, lines = changed(
        tmp_path, "labels", lambda s: s["rows"]["visual"][0].__setitem__(3, "Doggo")
    )
    assert not passed and any("'Doggo' is none of the 25 classes" in line for line in lines)
