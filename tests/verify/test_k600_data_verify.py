import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from golden.fill import rule_input

from avlib.soundtracks.images import ImageSettings, audio_images
from avlib.verify import verify
from avlib.verify.rule import rule_wave

GOLDEN = Path(__file__).parents[1] / "golden" / "k600"
CASES = ["audio_images", "match_index", "real_wav", "small_lists"]


def run(*paths):
    lines = []
    passed = verify(paths, device="cpu", dtype="float32", out=lines.append)
    return passed, lines


def save(folder, name, sidecar, **arrays):
    (folder / f"{name}.json").write_text(json.dumps(sidecar))
    if arrays:
        np.savez(folder / f"{name}.npz", **arrays)


def images(sound, sample_rate):
    settings = ImageSettings("librosa_0_8")
    return np.concatenate(list(audio_images(sound, sample_rate=sample_rate, settings=settings)))


@pytest.mark.parametrize("stem", CASES)
def test_golden_cases_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]
    assert all(line.startswith("k600 ") for line in lines[1:-1])


@pytest.mark.parametrize("stem", ["match_index", "real_wav"])
def test_public_files_are_compared_where_they_are(stem, shared_data, tmp_path, caplog):
    (tmp_path / "data").symlink_to(shared_data)
    folder = shutil.copytree(GOLDEN, tmp_path / "golden" / "k600")
    passed, lines = run(folder / f"{stem}.json")
    assert passed and len(lines) > 7
    assert "not compared" not in caplog.text


def test_other_recordings_are_run(tmp_path):
    wave = {"kind": "decay", "sr": 24_000, "n": 50_000, "seed": 7}
    sound = rule_wave("decay", 50_000, 24_000, "unseen", 7)
    case = {"name": "unseen", "wave": wave, "n_fft": 601, "hop_length": 241, "n_images": 2}
    golden = {"unseen/librosa_0_8": images(sound, 24_000)}
    sidecar = {"tolerance": "absolute 2e-4 dB", "cases": [case | {"refused": False}]}
    save(tmp_path, "other name", sidecar, **golden)
    assert run(tmp_path)[0]
    golden["unseen/librosa_0_8"][1, 20, 30] += 0.01
    save(tmp_path, "other name", sidecar, **golden)
    passed, lines = run(tmp_path)
    assert not passed and sum("FAIL" in line for line in lines) == 1


def test_other_channels_are_run(tmp_path):
    factors = {"L": 500, "R": 9000}
    text = "; ".join(
        f"{side} clip(round({factor}*rule_input('s_{side}',(43000,),3)))"
        for side, factor in factors.items()
    )
    sound = np.stack(
        [np.round(f * rule_input(f"s_{side}", (43_000,), 3)) for side, f in factors.items()], axis=1
    )
    sound = sound.clip(-32_768, 32_767).astype(np.int16)
    case = {"name": "two", "sample_rate": 44_100, "samples": 43_000, "channels": text}
    sidecar = {"tolerance": "absolute 2e-4 dB", "cases": [case | {"n_images": 1}]}
    save(tmp_path, "case", sidecar, **{"two/librosa_0_8": images(sound, 44_100)})
    assert run(tmp_path)[0]
    save(tmp_path, "case", sidecar, **{"two/librosa_0_8": images(sound[:, :1], 44_100)})
    assert not run(tmp_path)[0]


def test_a_rate_that_is_not_refused_although_it_should_be_fails(tmp_path):
    wave = {"kind": "noise", "sr": 16_000, "n": 16_000, "seed": 0}
    case = {"name": "a", "wave": wave, "n_fft": 401, "hop_length": 161, "n_images": 0}
    save(tmp_path, "case", {"cases": [case | {"refused": True}]})
    passed, lines = run(tmp_path)
    assert not passed and any("16000 Hz is not refused" in line for line in lines)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("soundtracks_in_reference_order", lambda rows: [*rows[1:], rows[0]]),
        ("video_index_of_soundtrack", lambda index: index[::-1]),
        ("videos_without_soundtrack", lambda names: [*names, "v_zzzzzzzzzzz_444434_444444"]),
    ],
)
def test_a_changed_list_fails(tmp_path, key, change):
    sidecar = json.loads((GOLDEN / "small_lists.json").read_text())
    save(tmp_path, "lists", sidecar | {key: change(sidecar[key])})
    assert not run(tmp_path)[0]


def test_a_changed_index_fails(tmp_path):
    shutil.copy(GOLDEN / "match_index.json", tmp_path)
    with np.load(GOLDEN / "match_index.npz") as golden:
        index = golden["index"].copy()
    index[500] = 423
    np.savez(tmp_path / "match_index.npz", index=index)
    assert not run(tmp_path)[0]
