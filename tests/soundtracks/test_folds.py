import pytest
from soundtrack_files import labelled_files

from avlib.errors import DataError
from avlib.soundtracks.folds import ALL, fold_names, splits_of_fold


def test_a_fold_is_held_out_and_all_others_are_learned():
    files = labelled_files(6, folds=["2", "10", "1", "2", "1", "1"])
    assert fold_names(files) == ["1", "2", "10"]
    found = splits_of_fold(files, "1")
    assert found["split"].tolist() == ["train", "train", "test", "train", "test", "test"]
    assert found.drop(columns="split").equals(files.drop(columns="split"))


def test_without_folds_the_splits_of_the_table_count():
    files = labelled_files(6)
    assert fold_names(files) == [ALL]
    assert splits_of_fold(files, ALL).equals(files)


def test_a_fold_without_files_is_refused():
    with pytest.raises(DataError, match="fold '3' has no files; the folds are 1, 2"):
        splits_of_fold(labelled_files(4, folds=["1", "2", "1", "2"]), "3")
    with pytest.raises(DataError, match="fold '1' has no files; there are no folds"):
        splits_of_fold(labelled_files(4), "1")


def test_no_fold_may_have_the_name_that_stands_for_none():
    with pytest.raises(DataError, match=r"a fold is called 'all'.* rename it"):
        fold_names(labelled_files(4, folds=["all", "1", "all", "1"]))


def test_one_fold_alone_is_refused():
    with pytest.raises(DataError, match="all files are of the fold '1', expected at least two"):
        fold_names(labelled_files(4, folds=["1"] * 4))


def test_names_of_folds_are_sorted_as_texts_where_one_is_no_number():
    assert fold_names(labelled_files(4, folds=["b", "10", "9", "b"])) == ["10", "9", "b"]
