import pandas as pd
import pytest

from avlib.datasets.timed_tables import read_durations
from avlib.errors import DataError


def test_durations_keep_the_order_of_their_table(tmp_path):
    table = pd.DataFrame({"duration": [10.0, 3.5], "fps": [30.0, 25.0]}, index=["z", "a"])
    table.rename_axis("video_id").to_pickle(tmp_path / "v.pkl")
    table.rename_axis("video_id").to_csv(tmp_path / "v.csv")
    for name in ("v.pkl", "v.csv"):
        assert list(read_durations(tmp_path / name).items()) == [("z", 10.0), ("a", 3.5)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1\na,2\n", "row 2: the video occurs twice"),
        ("a,1\nb,0\n", "row 2: the duration is not positive"),
        ("a,1\nb,\n", "row 2: duration is '', expected a number"),
    ],
)
def test_a_wrong_row_of_the_table_of_videos_is_named(tmp_path, rows, message):
    (tmp_path / "v.csv").write_text("video_id,duration\n" + rows)
    with pytest.raises(DataError, match=message):
        read_durations(tmp_path / "v.csv")
