"""A data set in AVE's style with a study: six files beside tests, edits of five, and no more."""

import subprocess
import sys

import pytest
from workflow_checkout import EditedCheckout

NEW = {
    "avlib/datasets/toy.py": '''
"""Reader of the toy data set."""

from pathlib import Path

from avlib.datasets.ave import Annotation
from avlib.datasets.published import read_published


def read_toy(path: Path) -> tuple[list[Annotation], dict[str, list[Annotation]]]:
    """Return the rows of `labels.csv`, all and by split."""
    columns = ("class", "video", "split")
    table = read_published(path, texts=columns, numbers=("start", "end"))
    rows = list(zip(*(table[name] for name in (*columns, "start", "end")), strict=True))
    found = [Annotation(i, label, v, int(a), int(b)) for i, (label, v, _, a, b) in enumerate(rows)]
    splits: dict[str, list[Annotation]] = {"train": [], "val": [], "test": []}
    for annotation, row in zip(found, rows, strict=True):
        splits[row[2]].append(annotation)
    return found, splits
''',
    "avlib/datasets/miniature/toy.py": '''
"""The toy data set, rendered."""

from collections.abc import Mapping
from pathlib import Path

from avlib.datasets.miniature import ave
from avlib.datasets.miniature.layout import write_lines

miniature_plan = ave.miniature_plan


def render_miniature(
    target: Path, *, classes: int, videos_per_class: Mapping[str, int], seed: int, workers: int
) -> None:
    """Write `AVE/<video_id>.mp4` and `labels.csv` below `target`."""
    sizes = {"classes": classes, "videos_per_class": videos_per_class}
    plan = ave.render_miniature(target, **sizes, seed=seed, workers=workers)
    rows = [f"{v.label},{v.video_id},{v.split},{v.start_s},{v.stop_s}" for v in plan]
    write_lines(target / "labels.csv", ["class,video,split,start,end", *rows])
''',
    "avlib/studies/toy.py": '''
"""The study of TIM on the toy data set."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from avlib.datasets.miniature.toy import miniature_plan
from avlib.media.videos import Video
from avlib.sections import StudyName, UserPath
from avlib.studies.ave import AveMiniature
from avlib.studies.base import Place, Source
from avlib.studies.tim_study import TimStudy


class Toy(TimStudy):
    """TIM on the toy data set."""

    annotation_keys: ClassVar[tuple[str, ...]] = ("annotations",)

    annotations: UserPath | None = Field(None, description="labels.csv")
    name: StudyName = Field("toy", description="Folder below results/")
    source: Source = Field("miniature", description="Rendered by the workflow, or the paths below")
    miniature: AveMiniature = AveMiniature()

    @property
    def is_rendered(self) -> bool:
        """Whether the workflow renders the videos itself."""
        return self.source == "miniature"

    @property
    def dataset(self) -> str:
        """Name of the format of the annotations."""
        return "toy"

    def annotation_files(self, at: Place) -> dict[str, Path]:
        """Return the table of labels."""
        rendered = {"annotations": at.miniature / "labels.csv"}
        return rendered if self.is_rendered else super().annotation_files(at)

    def rendered_files(self, at: Place) -> list[Path]:
        """Return the table of labels."""
        return list(self.annotation_files(at).values()) if self.is_rendered else []

    def list_videos(self, at: Place) -> list[Video]:
        """Return the videos of the table; of a miniature those that will be rendered."""
        if not self.is_rendered:
            return super().list_videos(at)
        plan = miniature_plan(**self.miniature.as_arguments(), seed=at.seed)
        return [Video(v.video_id, v.split, f"{at.miniature}/AVE/{v.video_id}.mp4") for v in plan]

    def training_splits(self) -> list[str]:
        """Return the splits of the table that training uses."""
        return ["train", "val"]
''',
    "workflow_scripts/render_toy.py": '''
"""Rule render_toy: the toy data set."""

from pathlib import Path

from avlib.datasets.miniature.toy import render_miniature
from avlib.joblog import job_log

smk = snakemake

with job_log(Path(smk.log[0])):
    render_miniature(
        Path(smk.output[0]).parent, **smk.params.size, seed=smk.params.seed, workers=smk.threads
    )
''',
    "configs/toy.yaml": "toy: {source: official, videos: videos, annotations: labels.csv}\n",
    "docs/toy.md": "# The toy data set\n",
}
RULE = '''

rule render_toy:
    """The toy data set."""
    output:
        f"results/{settings.toy.name}/miniature/labels.csv",
    log:
        f"logs/{settings.toy.name}/render_toy.log",
    params:
        size=settings.toy.miniature.as_arguments(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.toy"),
    script:
        "../workflow_scripts/render_toy.py"
'''
EDITED = {
    "avlib/datasets/events.py": [
        ("    vggsound,\n", "    toy,\n    vggsound,\n"),
        (
            '    "csv": _read_csv,\n',
            '    "csv": _read_csv,\n'
            '    "toy": lambda files: by_the_second(*toy.read_toy(files["annotations"])),\n',
        ),
    ],
    "avlib/studies/__init__.py": [
        ("import Sounds\n", "import Sounds\nfrom avlib.studies.toy import Toy\n"),
        (
            "    sounds: Sounds = Sounds()\n",
            "    sounds: Sounds = Sounds()\n    toy: Toy = Toy()\n",
        ),
    ],
    "rules/miniature.smk": [("\n\nrule render_llp:", f"{RULE}\n\nrule render_llp:")],
    "config.yaml": [("\ncustom:", "\ntoy:\n  name: toy\n\ncustom:")],
    "README.md": [("#", "#")],  # a row of the table of studies
}
LOOK = """
from pathlib import Path
from avlib.datasets.events import read_events
from avlib.datasets.miniature.toy import render_miniature
from avlib.studies import Config
from avlib.studies.base import Place

toy, place = Config().toy, Place(Path("results/toy"), 0)
videos = {"train": 1, "val": 1, "test": 1}
render_miniature(place.miniature, classes=2, videos_per_class=videos, seed=0, workers=1)
events = read_events(toy.dataset, toy.annotation_files(place))
assert len(events.table) == 6 and len(events.segments) == 60, events
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A copy of the workflow to which the study is added, in as many files as the page says."""
    assert (len(NEW), len(EDITED)) == (6, 5)
    checkout = EditedCheckout(tmp_path_factory.mktemp("toy"), "{}", "toy")
    for name, text in NEW.items():
        checkout.write(name, text.lstrip())
    for name, changes in EDITED.items():
        for old, new in changes:
            checkout.edit(name, old, new)
    return checkout


def test_the_target_of_the_study_plans_all_its_jobs(toy):
    jobs = toy.planned()
    assert {output.split("/")[1] for _, output in jobs} == {"toy"}
    rules = {rule for rule, _ in jobs}
    assert {"render_toy", "train_asf", "train_omnivore", "train_tim", "evaluate_ave"} <= rules
    assert ("evaluate_ave", "results/toy/test_metrics.json") in jobs


def test_a_run_with_its_overlay_makes_it_and_nothing_else(toy):
    (toy.folder / "videos").mkdir()
    header = "class,video,split,start,end\n"
    rows = [f"dog,{split},{split},0,3\n" for split in ("train", "val", "test")]
    (toy.folder / "labels.csv").write_text(header + "".join(rows))
    (toy.folder / "overlay.yaml").write_text(NEW["configs/toy.yaml"])
    toy.target = None
    assert {output.split("/")[1] for _, output in toy.planned()} == {"toy"}


def test_its_files_are_rendered_and_read(toy):
    look = [sys.executable, "-c", LOOK]
    run = subprocess.run(look, cwd=toy.root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
