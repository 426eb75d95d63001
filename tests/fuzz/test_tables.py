"""Damaged tables of every format that people bring are read or refused, and nothing else."""

import json
import random

import numpy as np
import pandas as pd
import pytest
from fuzz_children import check, read_all
from mutations import mutate

from avlib.datasets.tables import EVENTS
from avlib.io.tables import write_table

FILES = 800
CLIP = "-a_b-c_d-e1_20_30"
SEGMENT = {"id": 0, "label": "x", "label_id": 7, "timestamps": [0, 1_500_000]}
PERCEPTION = {
    "video_9": {
        "metadata": {"num_frames": 300, "frame_rate": 29.97},
        "action_localisation": [SEGMENT],
        "sound_localisation": [SEGMENT | {"id": 1}],
    }
}
CHOICE = {"video_uid": "ü-1", "clip_start": -0.5, "clip_end": 2.5, "clip_text": "cuts"}
QUESTION = {"answer": 4, "types": 1, "query": CHOICE, "choices": dict.fromkeys("01234", CHOICE)}
TEXTS = {
    "custom": 'video_id,start_s,stop_s,label,split\n"-a, b",0,1.5,tap,train\nü,2,3e0,NA,val\n',
    "ave": "Category&VideoID&Quality&StartTime&EndTime\nDog&-a&good&0&10\nCat&b_&good&3&7\n",
    "kitchens": "narration_id,video_id,start_timestamp,stop_timestamp,verb,noun,verb_class,"
    "noun_class,all_nouns\nP_0,P,00:00:01.5,00:00:02,take,tap,0,3,\"['tap', 'pan']\"\n",
    "sounds": "annotation_id;video_id;start_timestamp;stop_timestamp;class;class_id\n"
    "P_0;P;00:00:01.5;00:00:02;cut / chop;2\n",
    "vggsound": "video,class_id\n-a b.mp4,308\nc_000030.mp4,0\n",
    "intervals": "narration_id,video_id,start_sec,stop_sec,start_frame\nv_1,v,0,1.1,0\n"
    "v_2,v,1,2,6\n",
    "queries": "narration_id\tvideo_id\tstart_timestamp\tstop_timestamp\taction_class\n"
    "P_0\tP\t00:00:01.5\t00:00:02\t17\n",
    "weak": f"filename\tevent_labels\n{CLIP}\tSpeech,Dog\n",
    "dense": f"filename\tonset\toffset\tevent_labels\n{CLIP}\t0\t4\tDog\n",
    "classes": "0\tabseiling\n1\tacting in play\n",
    "videos": "/data/zumba/v_a 250 0\n/data/yoga/v_b 300 1\n",
    "folds": "filename,fold,target,category,take\na.wav,1,0,dog,A\nb.wav,2,14,chirping birds,B\n",
    "perception": json.dumps(PERCEPTION),
    "labels": json.dumps({"action_class": {"7": 0, "9": 1}, "class_id": {"7": 0}}),
    "list": "video_1,video_3\nvideo_9\n",
    "captioned": "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,"
    "stop_timestamp,start_frame,stop_frame,narration,verb_class,all_noun_classes\n"
    'P_0,P,P_1,x,00:00:01.5,00:00:02,90,120,take tap,0,"[3, 7]"\n',
    "questions": json.dumps({"0": QUESTION}),
}


def seeds(folder) -> dict[str, list[bytes]]:
    """Return whole files of each format, in several encodings."""
    events = pd.DataFrame(
        {
            "event_id": ["e1", "e2"],
            "video_id": ["-a", "ü"],
            "split": "train",
            "modality": "audio",
            "start_s": [0.0, 1.5],
            "stop_s": [1.0, 2.5],
            "label": ["dog", "cat"],
            "class_id": pd.array([0, None], "Int64"),
            "verb_class": pd.array([None, 2], "Int64"),
            "noun_class": pd.array([None, 2], "Int64"),
            "action_class": pd.array([None, 7], "Int64"),
        }
    )
    write_table(events, folder / "whole.parquet", EVENTS)
    found = {
        name: [text.encode(encoding) for encoding in ("utf-8", "utf-8", "utf-8-sig", "utf-16")]
        for name, text in TEXTS.items()
    }
    return found | {"parquet": [(folder / "whole.parquet").read_bytes()]}


@pytest.mark.slow
def test_damaged_tables_are_read_or_refused(tmp_path, record_property):
    chance = random.Random(20)
    (tmp_path / "files").mkdir()
    for name in ("a.wav", "b.wav"):
        (tmp_path / "files" / name).touch()
    (tmp_path / "files" / "sentences.csv").write_text("narration_id,narration\nP_0,take tap\n")
    whole = seeds(tmp_path)
    donors = [content for contents in whole.values() for content in contents]
    donors += [np.arange(9).tobytes(), b'"' * 9, b";;;;\n", b"[" * 5000, b"\r\n,\r\n"]
    donors += [b"1e9", b"-1", b"9" * 20, b"1e400", b"null", b"\xff\xfe", b'"', b";", b"1,5"] * 6
    files = []
    for number, name in zip(range(FILES), (k for _ in range(FILES) for k in whole), strict=False):
        files.append(tmp_path / f"{name}-{number}.csv")
        files[-1].write_bytes(mutate(chance.choice(whole[name]), donors, chance))
    for name, contents in whole.items():  # undamaged, which are read
        files.append(tmp_path / f"{name}-whole.csv")
        files[-1].write_bytes(contents[0])
    counts = read_all("tables", files, "fuzz_readers:read")
    check(counts, record_property)
    assert counts.number["read"] >= len(whole)
