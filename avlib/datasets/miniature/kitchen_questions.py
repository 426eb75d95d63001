"""Questions of the miniature of AudioEgoMCQ: which of five clips fits a text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avlib.datasets.ego_mcq import FILES, N_CHOICES
from avlib.datasets.miniature.kitchen import NOUNS, VERBS
from avlib.datasets.miniature.kitchen_texts import description, sentence
from avlib.datasets.miniature.kitchen_videos import FPS, PlannedRecording
from avlib.io.atomic import write_json
from avlib.seeds import generator

INTER, INTRA = 1, 2  # types: choices of several videos, or of one
_BEFORE_S = 0.9  # what a published clip has before an action that begins with the video

Place = tuple[int, int]  # number of a recording, and of a clip in it
Question = dict[str, Any]


def write_questions(target: Path, plan: Sequence[PlannedRecording], seed: int) -> None:
    """Write the questions about all clips, those of each level, and both with descriptions.

    About each clip there are a question of either type. The choices show different actions.
    """
    questions: dict[Place, list[Question]] = {}
    descriptions: dict[Place, str] = {}
    for r, recording in enumerate(plan):
        for number, clip in enumerate(recording.clips):
            rng = generator(seed, "kitchen question", recording.video_id, number)
            places = {
                INTER: _other_videos(plan, (r, number), rng),
                INTRA: _same_video(plan, (r, number), rng),
            }
            questions[r, number] = [
                _question(plan, (r, number), others, kind, seed, rng)
                for kind, others in places.items()
            ]
            descriptions[r, number] = description(clip.action, rng)
    for level, name in FILES.items():
        kept = [p for p in questions if level in ("all", plan[p[0]].clips[p[1]].level)]
        asked = [question for place in kept for question in questions[place]]
        described = [
            question | {"query": question["query"] | {"clip_text": descriptions[place]}}
            for place in kept
            for question in questions[place]
        ]
        for kind, content in (("", asked), ("_gpt", described)):
            numbered = {str(i): question for i, question in enumerate(content)}
            write_json(target / f"{name}{kind}.json", numbered)


def _question(
    plan: Sequence[PlannedRecording],
    right: Place,
    others: Sequence[Place],
    kind: int,
    seed: int,
    rng: np.random.Generator,
) -> Question:
    answer = int(rng.integers(N_CHOICES))
    places = [*others[:answer], right, *others[answer:]]
    return {
        "answer": answer,
        "types": kind,
        "query": _record(plan, right, seed),
        "choices": {str(i): _record(plan, place, seed) for i, place in enumerate(places)},
    }


def _other_videos(
    plan: Sequence[PlannedRecording], right: Place, rng: np.random.Generator
) -> list[Place]:
    """Draw a clip of each of four other recordings, whose actions all differ."""
    actions = {plan[right[0]].clips[right[1]].action}
    places: list[Place] = []
    for r in rng.permutation([r for r in range(len(plan)) if r != right[0]]).tolist():
        for number in rng.permutation(len(plan[r].clips)).tolist():
            if plan[r].clips[number].action not in actions:
                actions.add(plan[r].clips[number].action)
                places.append((r, number))
                break
    return places[: N_CHOICES - 1]


def _same_video(
    plan: Sequence[PlannedRecording], right: Place, rng: np.random.Generator
) -> list[Place]:
    """Draw four other clips of a recording."""
    numbers = [n for n in range(len(plan[right[0]].clips)) if n != right[1]]
    return [(right[0], n) for n in rng.permutation(numbers)[: N_CHOICES - 1].tolist()]


def _record(plan: Sequence[PlannedRecording], place: Place, seed: int) -> dict[str, Any]:
    """Return a clip as the published questions describe it; the first begins before the video."""
    recording, clip = plan[place[0]], plan[place[0]].clips[place[1]]
    rng = generator(seed, "kitchen text", recording.video_id, place[1])
    return {
        "video_uid": recording.video_id,
        "video_dur": recording.frames / FPS,
        "narration_source": "narration_pass_1",
        "narration_ind": place[1],
        "narration_time": clip.start_s,
        "clip_start": round(clip.start_s - (0.0 if place[1] else _BEFORE_S), 3),
        "clip_end": clip.stop_s,
        "clip_text": sentence(clip.action, rng),
        "tag_verb": str([VERBS[clip.action.verb].class_id]),
        "tag_noun": str([NOUNS[clip.action.noun].class_id]),
    }
