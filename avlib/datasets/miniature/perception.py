"""The miniature Perception Test: its files in the official layout, and its videos."""

ANNOTATION_FILES = {
    "annotations.train": "all_train.json",
    "annotations.val": "all_valid.json",
    "ids.train": "localisation_challenge_train_id_list.csv",
    "ids.val": "localisation_challenge_valid_id_list.csv",
    "label_map": "label_map.json",
}


def miniature_splits(*, train_videos: int, val_videos: int) -> list[tuple[str, str]]:
    """Return each (video_id, split)."""
    splits = ["train"] * train_videos + ["val"] * val_videos
    return [(f"video_{i}", split) for i, split in enumerate(splits)]
