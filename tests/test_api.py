"""The functions of the library in Python, and the examples of their page."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from made_up_archive import write_study

import avlib
from avlib.errors import ConfigError, DataError
from avlib.media import ffmpeg
from avlib.packages import WEIGHTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python.md"
SR = 16_000

needs_weights = pytest.mark.skipif(
    not (ROOT / WEIGHTS / "yamnet.safetensors").is_file(), reason="no weights/: run `make weights`"
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with weights, a video of 3 s and its sound, and a small study."""
    monkeypatch.chdir(tmp_path)
    if (ROOT / WEIGHTS).is_dir():
        (tmp_path / WEIGHTS).symlink_to((ROOT / WEIGHTS).resolve())
    command = [ffmpeg.binary(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=3"]
    command += ["-f", "lavfi", "-i", "anoisesrc=r=16000:d=3:a=0.5", "-c:v", "mpeg4"]
    subprocess.run([*command, "kitchen.mp4"], check=True)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * SR)
    soundfile.write("kitchen.wav", noise, SR, subtype="FLOAT")
    write_study(tmp_path / "results" / "custom")
    return tmp_path


def examples():
    """Return the blocks of Python of the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@needs_weights
@pytest.mark.parametrize("number", range(3))
def test_the_examples_of_the_page_run(here, number, capsys):
    code = examples()[number].replace('("kitchen", 12.5)', '("dog 0", 5.5)')
    exec(compile(code, str(PAGE), "exec"), {})
    assert capsys.readouterr().out


def test_the_page_has_an_example_of_each_function():
    names = [re.findall(r"from avlib import (\w+)", block) for block in examples()]
    assert names == [["tag"], ["extract"], ["search"]]


def test_importing_the_library_imports_nothing_of_it():
    look = "import sys, avlib; sys.exit(any(n.startswith('avlib.') or n == 'torch' for n in %s))"
    run = subprocess.run([sys.executable, "-c", look % "sys.modules"], check=False)
    assert run.returncode == 0


def test_the_library_has_no_other_attributes():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = avlib.nonsense


@needs_weights
def test_silence_is_heard_in_a_file_and_in_a_waveform(here):
    waveform = np.zeros(3 * SR)
    soundfile.write("quiet.wav", waveform, SR, subtype="FLOAT")
    from_file, from_array = avlib.tag("quiet.wav"), avlib.tag(waveform, SR)
    assert set(from_file["label"]) == {"Silence"}
    assert set(from_array["video_id"]) == {"waveform"}
    columns = ["start_s", "stop_s", "label", "score"]
    pd.testing.assert_frame_equal(from_file[columns], from_array[columns])


@needs_weights
def test_channels_of_a_waveform_are_averaged(here):
    waveform, sample_rate = soundfile.read("kitchen.wav", dtype="float32")
    mono = avlib.extract(waveform, "yamnet", sample_rate)
    stereo = avlib.extract(np.stack([waveform, waveform]), "yamnet", sample_rate)
    np.testing.assert_allclose(mono.features, stereo.features, atol=1e-3)
    assert mono.intervals.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_features_are_of_the_rate_and_cut_of_ones_own_videos(here):
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * SR)
    features, intervals = avlib.extract(
        waveform, "vggish", SR, checkpoint="untrained", interval_s=1.5, hop_s=0.5
    )
    assert features.shape == (len(intervals), 128)
    assert intervals[:2].tolist() == [[0, 1.5], [0.5, 2]]
    plain, seconds = avlib.extract(waveform, "sound_statistics", SR, interval_s=1.0)
    assert plain.shape == (len(seconds), 192)
    assert seconds[:2].tolist() == [[0, 1], [1, 2]]


def test_a_distance_of_intervals_alone_is_not_passed_over(here):
    _, intervals = avlib.extract("kitchen.wav", "sound_statistics", hop_s=0.5)
    assert intervals[1, 0] == 0.5
    with pytest.raises(ConfigError, match="hop_s"):
        avlib.extract("kitchen.wav", "sound_statistics", interval_s=1.0, hop_s=0.0)


def test_what_a_file_lacks_is_named(here):
    with pytest.raises(DataError, match=r"kitchen\.wav: no picture, which picture_statistics sees"):
        avlib.extract("kitchen.wav", "picture_statistics")
    with pytest.raises(ConfigError, match="no labels; say what"):
        avlib.tag("kitchen.wav", labels=[])


@needs_weights
def test_a_broken_file_is_named_and_the_others_are_tagged(here, caplog):
    (here / "text.wav").write_text("no sound")
    soundfile.write("quiet.wav", np.zeros(3 * SR), SR)
    found = avlib.tag(["text.wav", "quiet.wav"], float(SR), labels=None)
    assert set(found["video_id"]) == {"quiet"}
    assert "text.wav" in caplog.text


def test_features_are_of_one_file(here):
    with pytest.raises(DataError, match="one file at a time, not of 2"):
        avlib.extract(["kitchen.mp4", soundfile_named("other.wav")], "sound_statistics")


def soundfile_named(name):
    soundfile.write(name, np.zeros(SR), SR)
    return name


def test_files_that_are_left_out_are_named(here, caplog):
    (here / "more").mkdir()
    soundfile.write("more/kitchen.wav", np.zeros(SR), SR)
    avlib.extract(["kitchen.wav", "more/kitchen.wav"], "sound_statistics")
    assert "more/kitchen.wav" in caplog.text
    long = f"{'a' * 245}.wav"
    soundfile.write(long, np.zeros(SR), SR)
    with pytest.raises(DataError, match="the name cannot be that of a result"):
        avlib.extract(long, "sound_statistics")


@pytest.mark.parametrize(
    ("waveform", "sample_rate", "message"),
    [
        (np.zeros(100), None, "needs its sample_rate"),
        (np.zeros(100, np.int16), SR, "int16"),
        (np.zeros((2, 2, 2)), SR, r"\(2, 2, 2\)"),
        (np.zeros(0), SR, r"\(0,\)"),
    ],
)
def test_what_is_no_waveform_is_refused(waveform, sample_rate, message):
    with pytest.raises(DataError, match=message):
        avlib.extract(waveform, "yamnet", sample_rate)


def test_missing_files_weights_and_extractors_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"nowhere\.mp4: no such file"):
        avlib.tag("nowhere.mp4")
    with pytest.raises(ConfigError, match="make weights"):
        avlib.tag(np.zeros(SR), SR)
    with pytest.raises(ConfigError, match="asf: no package has its weights"):
        avlib.extract(np.zeros(SR), "asf", SR)
    with pytest.raises(ConfigError, match="vgg"):
        avlib.extract(np.zeros(SR), "vgg", SR)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"text\.mp4"):
        avlib.extract("text.mp4", "yamnet", checkpoint="yamnet.safetensors")


def test_a_search_needs_words_or_a_moment(here):
    with pytest.raises(ConfigError, match="either words or like"):
        avlib.search(folder="results/custom")
    with pytest.raises(ConfigError, match="top: a number from 1 on, not 0"):
        avlib.search("dog", "results/custom", top=0)
    for time_s in (-1.0, float("nan"), 40.0):
        with pytest.raises(DataError, match="dog 0 has 40 scored seconds; name a time in them"):
            avlib.search(folder="results/custom", like=("dog 0", time_s))
    hits = avlib.search(folder="results/custom", like=("dog 0", 5.5), top=4)
    assert list(hits.columns) == ["video_id", "start_s", "stop_s", "score", "sound", "picture"]
    assert set(hits["video_id"]) == {"dog 1"}
    assert hits.attrs["unit"] == "deviations"
