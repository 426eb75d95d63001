import pytest
from tiny_golden import GOLDEN, changed, failures

from avlib.verify.operations import OPERATIONS


def test_golden_plans_of_chunks_pass():
    assert failures(GOLDEN / "retrieval/mcq_clip_plan.json") == []


@pytest.mark.parametrize(
    ("case_id", "change"),
    [("2", {"clip_end": 601.5}), ("10", {"left_sec": 1}), ("8", {"clip_end": 597.9})],
)
def test_another_clip_or_context_is_read_from_elsewhere(tmp_path, case_id, change):
    def other(cases, arrays):
        cases[case_id]["arguments"] |= change

    assert len(failures(changed("retrieval/mcq_clip_plan.json", tmp_path, other, [case_id]))) == 1


def test_context_after_a_clip_in_two_chunks_ends_with_the_second():
    plan = OPERATIONS["retrieval", "mcq_clip_plan"].function
    found = plan(clip_start=461.5, clip_end=1124.7, left_sec=0, right_sec=70, bound_sec=600)
    (_, _, duration_s) = found["audio_reads"][1]
    assert duration_s == pytest.approx(524.7 + 70)
