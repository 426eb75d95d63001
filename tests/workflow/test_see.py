"""`make see` on a folder of small videos: the real Snakefile, with the real weights."""

import csv
import shutil

import pandas as pd
import pytest
from media_files import make_video, run_ffmpeg
from workflow_checkout import Checkout

pytestmark = pytest.mark.slow

OVERLAY = """
custom:
  videos: {videos}
  shards: 2
  feature_shards: 2
"""


class SeenVideos(Checkout):
    """A checkout with packaged weights and three small videos: a tone, noise, silence."""

    def __init__(self, folder, weights):
        self.videos = folder / "videos"
        shutil.copytree(weights, folder / "weights", ignore=shutil.ignore_patterns("packages"))
        super().__init__(folder, OVERLAY.format(videos=self.videos), "see")
        tone, hiss = "sine=f=440:d=4", "anoisesrc=d=4:a=0.5:seed=1"
        for name, sound in (("tone", tone), ("-hiss", hiss)):
            self.videos.mkdir(exist_ok=True)
            run_ffmpeg("-f", "lavfi", "-i", sound, self.videos / f"{name}.wav")
        make_video(self.videos / "silent one.mp4", duration_s=3, audio_codec=None)


@pytest.fixture(scope="module")
def seen(tmp_path_factory, packaged_weights):
    checkout = SeenVideos(tmp_path_factory.mktemp("seen"), packaged_weights)
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout, run.stderr


def test_what_is_heard_is_found_and_said_at_the_end(seen):
    checkout, said = seen
    with (checkout.folder / "results/custom/events.csv").open() as file:
        events = list(csv.DictReader(file))
    assert ("-hiss", "White noise") in {(e["video_id"], e["label"]) for e in events}
    last = said[said.index("commonest, with the best of their times:") :]
    assert "White noise" in last
    assert "0:00-0:04" in last
    names = {path.name for path in (checkout.folder / "results/custom/timelines").iterdir()}
    assert names == {"index.html", "tone.svg", "-hiss.svg", "silent one.svg"}
    seconds = pd.read_parquet(checkout.folder / "results/custom/seconds.parquet")
    assert seconds.groupby("video_id").size().to_dict() == {"-hiss": 4, "silent one": 3, "tone": 4}


def test_labels_take_the_place_of_classes_and_score_no_second_again(seen):
    checkout, _ = seen
    (checkout.folder / "labels.txt").write_text("white noise\n")
    config = 'custom={"tags": {"labels": "' + str(checkout.folder / "labels.txt") + '"}}'
    jobs = checkout.jobs(config)
    assert jobs == {"find_events": 1, "draw_found_events": 1, "see": 1}
    events = pd.read_csv(checkout.folder / "results/custom/events.csv")
    assert set(events["label"]) == {"white noise"}
    assert set(events["video_id"]) == {"-hiss"}


def test_what_is_missing_is_one_line(seen, tmp_path):
    checkout, _ = seen
    (tmp_path / "empty").mkdir()
    for config, line in (
        (f'custom={{"videos": "{tmp_path / "empty"}"}}', "no video or sound file in"),
        ('custom={"tags": {"labels": "none.txt"}}', "custom.tags.labels: none.txt is no file"),
    ):
        run = checkout.run(config)
        assert run.returncode != 0
        errors = [text for text in run.stderr.splitlines() if text.startswith("error:")]
        assert len(errors) == 1
        assert line in errors[0]
    (checkout.folder / "weights" / "yamnet.safetensors").rename(tmp_path / "yamnet")
    run = checkout.run()
    assert run.returncode != 0
    assert "weights/yamnet.safetensors is not there: run `make weights`" in run.stderr
