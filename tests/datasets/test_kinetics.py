import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.datasets.kinetics import (
    image_prefix,
    match_key,
    match_soundtracks,
    read_class_names,
    read_soundtrack_list,
    read_video_list,
    soundtrack_name,
    unmatched,
    windows_order,
)
from avlib.errors import DataError

GOLDEN = Path(__file__).parents[1] / "golden" / "k600"
WITHOUT_SOUND = """
    423 v_PXL5M4M_qKk_000024_000034, 1748 v_9mec-ejMBqQ_000015_000025,
    2084 v_rCocvBhE0mw_000108_000118, 2436 v_yZ8b0DLeJcU_000005_000015,
    3780 v_-C_s9oUnFek_000003_000013, 4632 v_81jxP7ubHsc_000020_000030,
    5090 v_HuJ3Pqqv47k_000002_000012, 5115 v_piYKF7yTMOA_000001_000011,
    5260 v_k-mz0d7KM18_000018_000028, 9924 v_anppA4Z0ggc_000004_000014,
    10390 v_riKnfJj545o_000035_000045, 10524 v_NdjLKFhn9j0_000004_000014,
    12027 v_gbdN0yYj_pQ_000002_000012, 13853 v_JfpMbV8SeDg_000280_000290,
    20469 v_mYHR1Dk_mCI_000073_000083, 22957 v_n0i7cSdCQjs_000009_000019,
    25247 v_cQGmEJ_-_jg_000004_000014, 25582 v_CoKBWG46Z-4_000028_000038,
    26336 v_VfoIi5dRSec_000097_000107, 26515 v_S5gfluUxz-s_000028_000038,
    29440 v_a916VLUqS0M_000007_000017, 29622 v_J2BfaZE1VzY_000000_000010
"""

names = st.builds(
    "v_{}_{:06}_{:06}".format,
    st.text("aZ0-_4", min_size=11, max_size=11),
    st.integers(0, 999_999),
    st.integers(0, 999_999),
)


@pytest.fixture(scope="module")
def lists(shared_data):
    """Videos, soundtracks and classes of the published lists."""
    folder = shared_data / "k600"
    if not folder.is_dir():
        pytest.skip(f"the published lists of Kinetics-600 are absent: {folder}")
    videos = read_video_list(folder / "Kinetics_600_vallist.txt.gz")
    soundtracks = read_soundtrack_list(folder / "K600_audio_file.txt.gz")
    return videos, soundtracks, read_class_names(folder / "kinetics_600_label_list.txt")


def test_the_published_lists_are_read_whole(lists, shared_data):
    videos, soundtracks, classes = lists
    assert (len(videos), len(soundtracks), len(classes)) == (29_753, 29_731, 600)
    assert classes == sorted(classes)
    assert (videos["label"] == [classes[i] for i in videos["class_id"]]).all()
    assert videos["frames"].agg(["min", "max"]).to_list() == [6, 300]
    assert [int((videos["frames"] == n).sum()) for n in (300, 250)] == [17_300, 3_160]
    assert (videos["class_id"].diff().dropna() >= 0).all()
    ordered = videos.sort_values(["class_id", "name"], kind="stable")
    assert ordered.index.equals(videos.index)
    paths = read_video_list(shared_data / "k600" / "K600_video_file.txt.gz")
    assert paths[["label", "name"]].equals(videos[["label", "name"]])
    assert paths["class_id"].isna().all()


def test_the_published_names_are_as_documented(lists):
    videos, soundtracks, _ = lists
    for table in (videos, soundtracks):
        assert not table["name"].duplicated().any()
        assert not table["name"].map(match_key).duplicated().any()
    fields = videos["name"].str.extract(r"^v_(?P<id>.{11})_(?P<start>\d{6})_(?P<stop>\d{6})$")
    assert not fields.isna().any().any()
    assert (fields["stop"].astype(int) - fields["start"].astype(int) == 10).all()
    assert fields["id"].nunique() == 29_747
    assert videos["label"].value_counts().agg(["min", "max"]).to_list() == [43, 50]


def test_all_published_soundtracks_have_their_video_and_22_videos_none(lists):
    videos, soundtracks, _ = lists
    match = match_soundtracks(videos["name"], soundtracks["name"])
    assert match.unmatched_soundtracks == []
    expected = [entry.split() for entry in WITHOUT_SOUND.split(",")]
    assert [[str(i), videos["name"][i]] for i in match.unmatched_videos] == expected
    labels = videos["label"][match.unmatched_videos].value_counts()
    assert len(labels) == 21 and labels.to_dict()["climbing_tree"] == 2
    assert (videos["label"].to_numpy()[match.video] == soundtracks["label"].to_numpy()).all()
    with np.load(GOLDEN / "match_index.npz") as golden:
        np.testing.assert_array_equal(match.video, golden["index"])
    kept = np.setdiff1d(np.arange(len(videos)), match.unmatched_videos)
    assert int((match.video == kept).sum()) == 5_393


def test_the_published_list_of_soundtracks_follows_from_that_of_videos(lists):
    videos, soundtracks, _ = lists
    match = match_soundtracks(videos["name"], soundtracks["name"])
    kept = videos.drop(index=match.unmatched_videos)
    files = list(zip(kept["label"], kept["name"].map(soundtrack_name), strict=True))
    ordered = [files[i] for i in windows_order(files)]
    assert ordered == list(soundtracks.itertuples(index=False, name=None))
    lost = kept["name"].str.len() + len(".wav") - kept["name"].map(soundtrack_name).str.len()
    assert lost.value_counts().to_dict() == {0: 29_731 - 2_866, 1: 2_626, 2: 237, 3: 3}
    assert int(videos["name"].str.endswith("4").sum()) == 2_870


@given(names)
def test_a_damaged_name_keeps_its_key(name):
    damaged = soundtrack_name(name)
    assert damaged == name.rstrip("4") + ".wav"
    assert match_key(damaged) == match_key(name) == match_key(name + ".mp4")


@given(st.lists(names, unique_by=match_key, min_size=1), st.randoms())
def test_soundtracks_in_any_order_find_their_video(videos, random):
    chosen = random.sample(range(len(videos)), random.randint(0, len(videos)))
    match = match_soundtracks(videos, [soundtrack_name(videos[i]) for i in chosen])
    assert match.video.tolist() == chosen
    assert match.unmatched_videos == sorted(set(range(len(videos))) - set(chosen))


def test_what_has_no_counterpart_is_named():
    match = match_soundtracks(["dog", "v_cat.mp4", "dog"], ["cat.wav", "dog.wav", "v_cat.wav"])
    assert match.video.tolist() == [-1, 0, 1]
    assert match.unmatched_soundtracks == [0]
    assert match.unmatched_videos == [2]
    assert unmatched(np.array([], np.int32), 2) == [0, 1]


def test_small_lists_are_ordered_and_matched_as_published():
    cases = json.loads((GOLDEN / "small_lists.json").read_text())["cases"]
    (match,) = (case for case in cases if case["operation"] == "match")
    names = {name: given["value"] for name, given in match["inputs"].items()}
    found = match_soundtracks(names["videos"], names["soundtracks"])
    assert found.video.tolist() == match["expected"]["index"]["value"]


def test_images_lose_the_letters_of_their_suffix():
    assert image_prefix("v_0wR5jVB-WPk_000417_000427.wav") == "_0wR5jVB-WPk_000417_000427"
    assert image_prefix("wave.wav") == "e"


def test_lists_may_be_plain_or_compressed_and_hold_paths_of_any_system(tmp_path):
    text = "C:\\sound\\play ing\\v_a b.wav\n/data/zumba/v_c.wav\n"
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.txt", "a.txt.gz"):
        rows = read_soundtrack_list(tmp_path / name)
        assert rows.to_numpy().tolist() == [["play ing", "v_a b.wav"], ["zumba", "v_c.wav"]]


def test_a_line_without_numbers_is_a_path(tmp_path):
    (tmp_path / "a.txt").write_text("/x/play ing/v_a 1\n/x/zumba/v_c 250 7\n")
    rows = read_video_list(tmp_path / "a.txt")
    assert rows["name"].to_list() == ["v_a 1", "v_c"]
    assert rows["class_id"].isna().to_list() == [True, False]


def test_numbers_that_no_list_has_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("/x/zumba/v_a 250 1\n/x/zumba/v_b 250 19999999999999999999\n")
    with pytest.raises(DataError, match=r"line 2 is .*expected frames and a class"):
        read_video_list(tmp_path / "a.txt")


@pytest.mark.parametrize("read", [read_video_list, read_soundtrack_list])
@pytest.mark.parametrize("text", ["v_a.wav", "/v_a.wav", "", "C:\\v_a.wav"])
def test_a_path_without_a_class_is_named(tmp_path, read, text):
    (tmp_path / "a.txt").write_text(f"/x/zumba/v_b.wav\n{text}\n/x/zumba/v_c.wav\n")
    with pytest.raises(DataError, match=r"line 2 is .*expected a path <class>/<name>"):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize("text", ["1\tb", "0\ta\n2\tb", "0\ta\n1\ta", "0 a", "0\t"])
def test_classes_are_numbered_from_0_and_named_once(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=r"a\.txt: line [12] is"):
        read_class_names(tmp_path / "a.txt")


@pytest.mark.parametrize("text", ["0\ta, b\n1\tc\n\n", "0,a, b\r\n1,c", "0;a, b\r1;c\r"])
def test_numbers_and_names_of_classes_may_have_any_delimiter(tmp_path, text):
    (tmp_path / "a.txt").write_bytes(text.encode("utf-16"))
    assert read_class_names(tmp_path / "a.txt") == ["a, b", "c"]


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08 torn", b"no gzip"])
def test_a_damaged_list_is_one_line(tmp_path, content):
    (tmp_path / "a.txt.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.txt\.gz: cannot be read"):
        read_video_list(tmp_path / "a.txt.gz")
