"""The miniature EPIC-KITCHENS-100: its files in the official layout, and its videos."""

ANNOTATION_FILES = {
    "actions.train": "EPIC_100_train.csv",
    "actions.val": "EPIC_100_validation.csv",
    "actions.test": "EPIC_100_test_timestamps.csv",
    "sounds.train": "EPIC_Sounds_train.csv",
    "sounds.val": "EPIC_Sounds_validation.csv",
    "video_info": "EPIC_100_video_info.csv",
    "verb_classes": "EPIC_100_verb_classes.csv",
    "noun_classes": "EPIC_100_noun_classes.csv",
}
PARTICIPANTS = ("P01", "P02")


def miniature_splits(
    *, train_videos: int, val_videos: int, test_videos: int
) -> list[tuple[str, str]]:
    """Return each (video_id, split); the participants take turns."""
    counts = {"train": train_videos, "val": val_videos, "test": test_videos}
    splits = [split for split, count in counts.items() for _ in range(count)]
    return [(f"{PARTICIPANTS[i % 2]}_{i // 2 + 1:02d}", split) for i, split in enumerate(splits)]
