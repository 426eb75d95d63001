import numpy as np
import pytest

from avlib.errors import DataError
from avlib.verify.operations import OPERATIONS


@pytest.mark.parametrize("shape", [(5, 2), (2, 5), (3, 0)])
def test_clips_with_different_numbers_of_texts_are_refused(shape):
    recall = OPERATIONS["retrieval", "recall"].function
    with pytest.raises(ValueError, match=f"got {shape[0]} of {shape[1]} clips"):
        recall(sims=np.zeros(shape))


def test_an_answer_whose_similarity_is_no_number_is_the_first():
    accuracy = OPERATIONS["retrieval", "mcq_accuracy"].function
    preds = np.array([[0.5, np.nan, 0.9], [0.5, 0.1, 0.9]])
    found = accuracy(preds=preds, labels=np.array([1, 1]), types=np.array([1, 1]))
    assert found == {"accuracy": {"Inter-video": 50.0}}


def test_a_sentence_of_no_clip_is_named(tmp_path):
    clips, sentences = tmp_path / "clips.csv", tmp_path / "sentences.csv"
    clips.write_text(
        "narration_id,narration,start_timestamp,stop_timestamp,verb_class,all_noun_classes\n"
        'a,cut,00:00:01.00,00:00:02.00,3,"[1, 2]"\n'
    )
    sentences.write_text("narration_id,narration\na,cut\nb,stir\n")
    relevancy = OPERATIONS["retrieval", "relevancy"].function
    with pytest.raises(DataError, match=r"sentences\.csv: 'b' is no clip of .*clips\.csv"):
        relevancy(clips=clips, sentences=sentences)
    sentences.write_text("narration_id,narration\na,cut\n")
    assert relevancy(clips=clips, sentences=sentences)["noun"].tolist() == [[1.0]]
