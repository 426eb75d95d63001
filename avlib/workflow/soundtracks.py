"""What the rules of soundtracks.smk ask: labels, audio images, folds, scores and their fusion."""

from typing import Any

from avlib.errors import ConfigError
from avlib.soundtracks.folds import ALL
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.studies.k600 import K600, Sounds
from avlib.studies.k600_labelled_study import label_source, label_tables, study_folds
from avlib.workflow.study_files import Studies, Wildcards


class SoundtrackStages(Studies):
    """Recognition of sound by audio images; `wildcards.fold` is what a training leaves out."""

    # Labels and audio images

    def label_tables(self, wildcards: Wildcards) -> list[str]:
        """Return the files that name classes or labels, if there are any."""
        return [str(path) for path in label_tables(self.soundtracks(wildcards))]

    def label_source(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return where the labels come from."""
        return label_source(self.soundtracks(wildcards), self.folder(wildcards))

    def image_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how audio images are made."""
        mel = self.soundtracks(wildcards).mel
        recipe = SOUNDTRACK_RECIPES[self.soundtrack_recipe(wildcards)]
        return {"variant": mel.variant, "reference": mel.reference or recipe.reference}

    def image_packing(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how audio images are packed; sounds of one's own are padded where too short."""
        study = self.soundtracks(wildcards)
        return {"dtype": study.mel.dtype, "pads_short": isinstance(study, Sounds)}

    def image_packs(self, wildcards: Wildcards) -> list[str]:
        """Return the packs of audio images."""
        return self.shards(wildcards, "mel/{}.h5")

    def image_indices(self, wildcards: Wildcards) -> list[str]:
        """Return the tables of the audio images."""
        return self.shards(wildcards, "mel/{}.parquet")

    # The network of sound

    def soundtrack_recipe(self, wildcards: Wildcards) -> str:
        """Return the recipe: the configured one, else as published where the data set is."""
        study = self.soundtracks(wildcards)
        if study.training.recipe:
            return study.training.recipe
        if isinstance(study, K600):
            return "miniature" if study.source == "miniature" else "kinetics600"
        return "small"

    def soundtrack_training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the trained weights, beside the data."""
        study = self.soundtracks(wildcards)
        settings = study.training.model_dump() | study.network.model_dump(exclude={"name"})
        return settings | {
            "recipe": self.soundtrack_recipe(wildcards),
            "network": study.network.name,
            "seed": self.config.seed,
            "device": self.config.device,
        }

    def given_soundtrack(self, wildcards: Wildcards) -> str:
        """Return the given weights of the network of sound.

        Raises:
            ConfigError: if there are none.
        """
        path = self.soundtracks(wildcards).checkpoints.soundtrack
        if path is None:
            raise ConfigError(f"{wildcards.study}.checkpoints.soundtrack: no weights are given")
        return self.existing(wildcards, "checkpoints.soundtrack", path)

    def weights_of_fold(self, wildcards: Wildcards, fold: str) -> str:
        """Return the weights that score a fold: given or trained."""
        if self.soundtracks(wildcards).checkpoints.soundtrack is not None:
            return self.given_soundtrack(wildcards)
        return str(self.folder(wildcards) / f"model/soundtrack/{fold}/model.safetensors")

    def soundtrack_weights(self, wildcards: Wildcards) -> str:
        """Return the weights that score the job's fold."""
        return self.weights_of_fold(wildcards, wildcards.fold)

    def joint_soundtrack_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of a study without folds."""
        return self.weights_of_fold(wildcards, ALL)

    # Folds

    def folds(self, wildcards: Wildcards) -> list[str]:
        """Return the folds, each left out once; `all` where there are none."""
        study = self.soundtracks(wildcards)
        found = study_folds(study)
        if found != [ALL] and study.checkpoints.soundtrack is not None:
            raise ConfigError(
                f"{wildcards.study}.checkpoints.soundtrack: weights are given, so no fold is left "
                f"out of their training; remove them, or the column fold of the table"
            )
        return found

    def fold_scores(self, wildcards: Wildcards) -> list[str]:
        """Return the scores of the soundtracks of every fold."""
        return self._of_folds(wildcards, "soundtrack_scores.npy")

    def fold_soundtracks(self, wildcards: Wildcards) -> list[str]:
        """Return the tables that name the rows of the scores of every fold."""
        return self._of_folds(wildcards, "soundtracks.parquet")

    def fold_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights of every fold."""
        return [self.weights_of_fold(wildcards, fold) for fold in self.folds(wildcards)]

    def _of_folds(self, wildcards: Wildcards, name: str) -> list[str]:
        folder = self.folder(wildcards) / "scores"
        return [str(folder / fold / name) for fold in self.folds(wildcards)]

    # Pictures and fusion

    def k600(self, wildcards: Wildcards) -> K600:
        """Return the section of a study with pictures.

        Raises:
            ConfigError: if the study has none.
        """
        study = self.section(wildcards)
        if not isinstance(study, K600):
            raise ConfigError(f"{wildcards.study} has no pictures to fuse its sound with")
        return study

    def video_scores(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the scores of the pictures and what names their rows, given or made here."""
        given = self.k600(wildcards).video_scores
        if given.scores is None or given.list is None:
            folder = self.folder(wildcards) / "scores/video"
            return {"video": str(folder / "scores.npy"), "videos": str(folder / "videos.parquet")}
        return {
            "video": self.existing(wildcards, "video_scores.scores", given.scores),
            "videos": self.existing(wildcards, "video_scores.list", given.list),
        }

    def video_model(self, wildcards: Wildcards) -> list[str]:
        """Return the weights behind the scores of the pictures, if they were trained here."""
        if self.k600(wildcards).video_scores.scores is not None:
            return []
        return [str(self.folder(wildcards) / "model/omnivore/model.safetensors")]

    def fusion_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how scores are fused."""
        return self.k600(wildcards).fusion.model_dump()

    def soundtrack_origins(self, wildcards: Wildcards) -> dict[str, str]:
        """Return how the weights of each network were made: given or trained."""
        study = self.soundtracks(wildcards)
        sound = "trained" if study.checkpoints.soundtrack is None else "given"
        if not isinstance(study, K600):
            return {"soundtrack": sound}
        pictures = "trained" if study.video_scores.scores is None else "given"
        return {"soundtrack": sound, "video": pictures}

    def outside_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the files from outside, beside media and weights, whose hashes are noted."""
        study = self.soundtracks(wildcards)
        found = {path.name: str(path) for path in label_tables(study)}
        if isinstance(study, K600) and study.video_scores.scores is not None:
            given = self.video_scores(wildcards)
            found |= {"video_scores": given["video"], "video_list": given["videos"]}
        return found

    def soundtrack_targets(self, name: str) -> list[str]:
        """Return the final results of a study: metrics, and the pictures of the report."""
        study, folder = self.config.study(name), self.results / name
        files = ["test_metrics.json", "report/confusion.svg"]
        networks = []
        if isinstance(study, K600):
            files.append("report/sweep.svg")
            networks += ["omnivore"] if study.video_scores.scores is None else []
        if isinstance(study, K600 | Sounds) and study.checkpoints.soundtrack is None:
            networks += [f"soundtrack/{fold}" for fold in study_folds(study)]
        files += [f"model/{network}/curves.svg" for network in networks]
        return [str(folder / file) for file in files]
