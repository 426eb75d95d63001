"""What the rules of soundtracks.smk need: labels, audio images, folds, scores and fusion."""

from typing import Any

from avlib.origins import Origin
from avlib.soundtracks.folds import ALL
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.studies.k600 import K600
from avlib.studies.soundtrack_study import SoundtrackStudy
from avlib.workflow.study_files import StudyFiles, Wildcards
from avlib.workflow.weights import WeightsFiles


class SoundtrackFiles:
    """Recognition of soundtracks; `wildcards.fold` is what a training leaves out."""

    def __init__(self, files: StudyFiles, weights: WeightsFiles) -> None:
        self.files, self.networks = files, weights

    def study(self, wildcards: Wildcards) -> SoundtrackStudy:
        """Return the job's study."""
        return self.files.study(wildcards, SoundtrackStudy)

    # Labels and audio images

    def label_lists(self, wildcards: Wildcards) -> list[str]:
        """Return the user's lists of classes or of labels, if there are any."""
        return [str(path) for path in self.study(wildcards).label_lists()]

    def label_source(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return where the labels come from."""
        return self.study(wildcards).label_source(self.files.place(wildcards))

    def mel(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the section of the audio images, with the recipe's reference if none is set."""
        study = self.study(wildcards)
        reference = study.mel.reference or SOUNDTRACK_RECIPES[study.recipe].reference
        return study.mel.model_dump() | {"reference": reference}

    def pads_short(self, wildcards: Wildcards) -> bool:
        """Return whether audio that is too short for an image is zero-padded."""
        return self.study(wildcards).pads_short

    def image_packs(self, wildcards: Wildcards) -> list[str]:
        """Return the packs of audio images."""
        return self.files.shards(wildcards, "mel/{}.h5")

    def image_indices(self, wildcards: Wildcards) -> list[str]:
        """Return the tables of the audio images."""
        return self.files.shards(wildcards, "mel/{}.parquet")

    # The network

    def training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the section of the training, with the name of the recipe."""
        study = self.study(wildcards)
        return study.training.model_dump() | {"recipe": study.recipe}

    def network(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the section of the network."""
        return self.study(wildcards).network.model_dump()

    def pooling(self, wildcards: Wildcards) -> str:
        """Return what is averaged over the clips of a soundtrack."""
        return self.study(wildcards).pooling

    def _weights(self, wildcards: Wildcards, fold: str) -> str:
        if self.networks.is_given(wildcards, "soundtrack"):
            return self.networks.given(wildcards, "soundtrack")
        folder = self.files.folder(wildcards) / "model/soundtrack"
        return str(folder / fold / "model.safetensors")

    def weights(self, wildcards: Wildcards) -> str:
        """Return the weights that score the job's fold: given or trained."""
        return self._weights(wildcards, wildcards.fold)

    def joint_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of a study without folds."""
        return self._weights(wildcards, ALL)

    def checked(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights fit, if there are such."""
        return self.networks.checked(wildcards, "soundtrack")

    # Folds

    def folds(self, wildcards: Wildcards) -> list[str]:
        """Return the folds, each left out once; `all` where there are none."""
        return self.study(wildcards).folds()

    def fold_scores(self, wildcards: Wildcards) -> list[str]:
        """Return the scores of the soundtracks of every fold."""
        return self._of_folds(wildcards, "soundtrack_scores.npy")

    def fold_soundtracks(self, wildcards: Wildcards) -> list[str]:
        """Return the tables that name the rows of the scores of every fold."""
        return self._of_folds(wildcards, "soundtracks.parquet")

    def fold_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights of every fold."""
        return [self._weights(wildcards, fold) for fold in self.folds(wildcards)]

    def description(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what new files are predicted by, as far as the configuration decides it."""
        study = self.study(wildcards)
        return {
            "study": wildcards.study,
            "section": study.section,
            "sound": study.media().audio,
            "mel": self.mel(wildcards),
            "pads_short": study.pads_short,
            "pooling": study.pooling,
        }

    def _of_folds(self, wildcards: Wildcards, name: str) -> list[str]:
        folder = self.files.folder(wildcards) / "scores"
        return [str(folder / fold / name) for fold in self.folds(wildcards)]

    # Video frames and fusion

    def video_scores(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the scores of the video frames and what names their rows, given or made here."""
        folder = self.files.folder(wildcards) / "scores/video"
        made = {"video": str(folder / "scores.npy"), "videos": str(folder / "videos.parquet")}
        return self.files.study(wildcards, K600).given_video_scores() or made

    def video_model(self, wildcards: Wildcards) -> list[str]:
        """Return the weights behind the scores of the video frames, if they were trained here."""
        if self.files.study(wildcards, K600).has_video_scores:
            return []
        return self.networks.paths(wildcards, "omnivore")

    def fusion(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the section of the fusion."""
        return self.files.study(wildcards, K600).fusion.model_dump()

    # Metrics

    def origins(self, wildcards: Wildcards) -> dict[str, Origin]:
        """Return how the weights of each network were made."""
        return self.study(wildcards).origins()

    def outside_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the files from outside, beside media and weights, whose hashes are reported."""
        return self.study(wildcards).outside_files()
