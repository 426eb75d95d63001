"""The runner of the fuzz tests says what became of each file, whatever it does to its reader."""

from fuzz_children import Limits, read_all


def test_each_outcome_is_told_from_the_others(tmp_path):
    words = ["read", "refused", "told", "crash", "read", "hang", "error", "memory", "reason"]
    files = [tmp_path / f"{number}.txt" for number in range(len(words))]
    for path, word in zip(files, words, strict=True):
        path.write_text(word)
    counts = read_all("words", files, "fuzz_children:read_word", Limits(memory_mb=1024, file_s=1))
    assert counts.number == {
        "read": 2,
        "refused": 3,
        "crashes": 1,
        "hangs": 1,
        "unclassified": 2,
    }
    assert [fault.partition(":")[0] for fault in counts.faults] == [
        str(files[number]) for number in (3, 5, 6, 7)
    ]
    refused = "3 refused (for a reason 1)"
    assert str(counts) == f"words: 9 files, 2 read, {refused}, crashes 1, hangs 1, unclassified 2"
