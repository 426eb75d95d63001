"""The study of the user's own videos."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from avlib.datasets.custom import read_events
from avlib.datasets.custom_checks import check_events, split_notices
from avlib.datasets.splits import SPLITS, Split
from avlib.errors import ConfigError
from avlib.extractors.omnivore.recipes import OmnivoreTraining
from avlib.extractors.registry import EXTRACTORS
from avlib.origins import Weights
from avlib.packages import REMEDY
from avlib.sections import SplitPaths, StudyName, UserPath
from avlib.studies.base import Place
from avlib.studies.own_extractors import PACK_RATES, CustomCheckpoints, OwnExtractor
from avlib.studies.packaged import (
    OF_SECONDS,
    PACKAGED_NETWORKS,
    STATISTICS,
    STATISTICS_NOTICE,
    are_meant,
)
from avlib.studies.tag_legs import TagLegs
from avlib.studies.tim_study import JOINT, TimStudy, TrainedVisual
from avlib.tagging.archive import LEGS
from avlib.tagging.recipes import Tagging
from avlib.tim.recipes import (
    COMPARED,
    MODELS,
    PACKAGED,
    TIM_RECIPES,
    Modality,
    ModelName,
    RecipeName,
)


class Custom(TimStudy):
    """The user's own videos: their features, and TIM on events that a CSV file labels."""

    takes_sound_files: ClassVar[bool] = True
    better_features: ClassVar[str] = "leave custom.extractors, checkpoints and tim.recipe out"

    name: StudyName = Field("custom", description="Folder below results/")
    extractors: Annotated[tuple[OwnExtractor, ...], Field(min_length=1)] | None = Field(
        None,
        description="Networks whose features are made; null: yamnet and efficientnet_lite0 where "
        "they have weights; without any weights those of statistics where TIM is trained; else asf",
    )
    annotation_format: Literal["csv", "vggsound", "epic_sounds", "epic_kitchens"] = Field(
        "csv", description="`annotations` is a CSV; or `splits` are published tables"
    )
    annotations: UserPath | None = Field(None, description="CSV of labelled events to train on")
    splits: SplitPaths = Field(SplitPaths(), description="Published tables of labelled events")
    split: Split = Field(
        "test", description="Split of videos without annotations; train has the preset's views"
    )
    interval_s: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Length of an interval; null: 1.1 s, of packaged networks or statistics 1 s",
    )
    hop_s: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Distance between two; null: 0.2 s, of packaged networks or statistics 1 s",
    )
    checkpoints: CustomCheckpoints = CustomCheckpoints()
    visual: TrainedVisual = TrainedVisual()
    tags: Tagging = Tagging()

    @model_validator(mode="before")
    @classmethod
    def _features_is_extractors(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "features" in values:
            raise ValueError("custom.features has another name now: custom.extractors")
        return values

    @model_validator(mode="after")
    def _models_have_features(self) -> Self:
        for model in self.tim.models or ():
            needed = MODELS[model][0]
            for modality in ("visual", "audio"):
                if needed in (JOINT, modality) and modality not in self.modalities:
                    raise ValueError(
                        f"{self.key('tim')}.models: {model} takes {modality} features, and "
                        f"{self.key('extractors')} makes none"
                    )
        return self

    @model_validator(mode="after")
    def _recipe_has_the_distance(self) -> Self:
        gap_s, hop_s = TIM_RECIPES[self.recipe].feat_gap_s, self.interval_rule()["hop_s"]
        if self.trains_tim and hop_s != gap_s:
            raise ValueError(
                f"{self.key('hop_s')}: the intervals are {hop_s:g} s apart, but recipe "
                f"{self.recipe} of TIM takes features every {gap_s:g} s; set "
                f"{self.key('hop_s')}: {gap_s:g}, or another {self.key('tim')}.recipe"
            )
        return self

    # Events

    @property
    def trains_tim(self) -> bool:
        """Whether TIM is trained; published tables train Auditory SlowFast alone."""
        return self.annotation_format == "csv" and self.annotations is not None

    @property
    def dataset(self) -> str:
        """Name of the format of the annotations."""
        return self.annotation_format

    @property
    def unlabelled_split(self) -> str:
        """Split of videos without annotations."""
        return self.split

    def annotation_files(self, at: Place) -> dict[str, Path]:
        """Return the files that the format needs.

        Raises:
            ConfigError: if one is not configured, or does not exist.
        """
        files = super().annotation_files(at)
        if self.annotation_format == "csv" and "annotations" not in files:
            raise ConfigError(f"{self.key('annotations')}: name a CSV of events, as format csv has")
        if self.annotation_format != "csv" and not files.keys() - {"annotations"}:
            raise ConfigError(
                f"{self.key('splits')}: name a table for each split, as format "
                f"{self.annotation_format} has"
            )
        return files

    @property
    def draws_splits(self) -> bool:
        """Whether the seed decides the splits that the CSV does not have."""
        return self.annotation_format == "csv"

    def _annotated_splits(self, at: Place) -> Iterable[tuple[str, str]] | None:
        """Return each (video_id, split), after checking that TIM can be trained on the events."""
        if self.trains_tim:
            self._events(at.seed)
        return super()._annotated_splits(at)

    def _events(self, seed: int) -> pd.DataFrame:
        """Return the events of the CSV, of which whoever asks hears that they train nothing."""
        path = Path(self.existing_file("annotations", self.annotations))
        events = read_events(path, seed)
        check_events(events, self.key("annotations"))
        return events

    def given_splits(self) -> list[str]:
        """Return the splits that there are events of."""
        if self.annotation_format != "csv":
            return super().given_splits()
        given = set(self._events(0)["split"])  # which splits there are, no seed decides
        return [split for split in SPLITS if split in given]

    def notices(self, at: Place) -> list[str]:
        """Return also a line on features that nobody has chosen, and on splits without classes.

        Without annotations: on networks that make features and no tags.
        """
        if self.finds_events:
            lines = (self.tag_legs.remark(leg, self.section) for leg in LEGS)
            return [line for line in lines if line]
        if not self.trains_tim:
            return []
        features = [STATISTICS_NOTICE] if self._lacks_weights else []
        return [*features, *super().notices(at), *split_notices(self._events(at.seed))]

    @property
    def classifies_seconds(self) -> bool:
        """Whether TIM classifies every second of the videos."""
        return True

    # Features

    def _of_modality(self, modality: Modality) -> tuple[str, ...]:
        return tuple(n for n in self.extractor_names() if EXTRACTORS[n].modality == modality)

    def visual_extractors(self) -> tuple[str, ...]:
        """Return the networks of the visual features, in the order of their channels."""
        return self._of_modality("visual")

    def audio_extractors(self) -> tuple[str, ...]:
        """Return the networks of the audio features, in the order of their channels."""
        return self._of_modality("audio")

    def extractor_names(self) -> tuple[str, ...]:
        """Return the networks whose features are made."""
        if self.extractors is not None:
            return self.extractors
        if are_meant(self.checkpoints):
            return PACKAGED_NETWORKS
        return STATISTICS if self._lacks_weights else ("asf",)

    @property
    def _lacks_weights(self) -> bool:
        """Whether TIM is trained on features that nobody has chosen, by weights or by a recipe."""
        is_chosen = self.extractors is not None or self.tim.recipe not in (None, PACKAGED)
        has_weights = are_meant(self.checkpoints) or any(value for _, value in self.checkpoints)
        return self.trains_tim and not is_chosen and not has_weights

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities of the features: visual, audio or both."""
        both: tuple[Modality, ...] = ("visual", "audio")
        return tuple(m for m in both if self._of_modality(m))

    @property
    def models(self) -> tuple[ModelName, ...]:
        """Models of TIM that are compared: those whose features are made."""
        if self.tim.models:
            return self.tim.models
        if len(self.modalities) == 1:
            return tuple(m for m in COMPARED if m in self.modalities)
        return (JOINT,) if self.checkpoints.tim else COMPARED

    @property
    def packs_sound(self) -> bool:
        """Whether waveforms are packed."""
        return "audio" in self.modalities

    @property
    def needs_sound(self) -> bool:
        """Whether a video without sound is left out: it has visual features where they are made."""
        return self.modalities == ("audio",)

    def interval_rule(self) -> dict[str, Any]:
        """Return the configured rule, whole seconds of networks that take them, or the preset's."""
        seconds = {"interval_s": 1.0, "hop_s": 1.0, "seconds": "all"}
        rule = seconds if self._takes_seconds else super().interval_rule()
        own = {"interval_s": self.interval_s, "hop_s": self.hop_s}
        given = {name: value for name, value in own.items() if value is not None}
        return rule | given | {"seconds": None} if given else rule

    @property
    def recipe(self) -> RecipeName:
        """Name of TIM's recipe: the configured one, else that of the intervals."""
        return self.tim.recipe or (PACKAGED if self._takes_seconds else super().recipe)

    @property
    def _takes_seconds(self) -> bool:
        """Whether features are of whole seconds, unless the intervals are configured."""
        return set(self.extractor_names()) <= OF_SECONDS

    @property
    def has_figures_to_match(self) -> bool:
        """Whether there are figures of the joint model alone; of one's own videos there are not."""
        return False

    def pack_rate(self, extractor: str) -> int:
        """Return the rate in Hz of the packs that an extractor of sound takes."""
        return PACK_RATES.get(extractor, self.media().sample_rate)

    def extraction(self) -> dict[str, Any]:
        """Return the settings of all extractors."""
        return super().extraction() | {"antialias": False, "backend": "transformers"}

    @property
    def by_interval(self) -> bool:
        """Whether every extractor makes features of the intervals."""
        return True

    def check_options(self, network: str) -> dict[str, Any]:
        """Return also the package that runs CLAP."""
        return {"backend": "transformers"} if network == "clap" else super().check_options(network)

    def visual_training(self) -> OmnivoreTraining:
        """Return the training of a narrow Omnivore.

        Raises:
            ConfigError: if the study has no Omnivore.
        """
        if "omnivore" not in self.extractor_names():
            raise ConfigError(f"{self.name} has no such results; it trains no visual network")
        return super().visual_training()

    @property
    def allow_fewer_views(self) -> bool:
        """Whether features of several networks have as many views as all of them have."""
        return True

    def weights(self) -> dict[str, Weights]:
        """Return the weights of the extractors, and of TIM where it is trained."""
        weights = super().weights()
        return weights if self.trains_tim else {n: weights[n] for n in weights if n != "tim"}

    def require_trainable(self, network: str) -> None:
        """Check that the network can be trained, and that there are labelled events."""
        super().require_trainable(network)
        row = EXTRACTORS.get(network)
        if row is None:  # TIM
            return
        if row.modality != "audio" and not self.trains_tim:
            raise ConfigError(
                f"{self.key('checkpoints')}.{network}: give weights, or {self.key('annotations')} "
                "to train them on, or `untrained` to try the pipeline with random ones"
            )
        if not self.has_annotations:
            others = f"{REMEDY} for features of other networks, or " if not self.extractors else ""
            raise ConfigError(
                f"{self.key('checkpoints')}.{network}: {others}give weights (preset {self.preset}: "
                f"{self.asf.checkpoint}), or {self.key('annotations')} to train on, or "
                "`untrained` to try the pipeline with random ones"
            )

    def files(self) -> dict[str, Path | None]:
        """Return also the labels that are looked for, and the tokenizers of their legs."""
        tokenizers = {f"tags.tokenizers.{name}": path for name, path in self.tags.tokenizers}
        return super().files() | {"tags.labels": self.tags.labels} | tokenizers

    @property
    def tag_legs(self) -> TagLegs:
        """The networks that score the sound and the picture of every second."""
        return TagLegs(self.checkpoints, self.tags.tokenizers)

    @property
    def finds_events(self) -> bool:
        """Whether events are looked for without labels."""
        return not self.has_annotations

    @property
    def _can_find_events(self) -> bool:
        """Whether the weights are there that it takes; who names labels hears that they are not."""
        return (
            all(self.tag_legs.of(leg).has_weights for leg in LEGS) or self.tags.labels is not None
        )

    def tag_targets(self, at: Place) -> list[str]:
        """Return what is found without labels."""
        files = ("events.parquet", "events.csv", "seconds.parquet", "tags.json")
        return [str(at.folder / file) for file in (*files, "timelines/index.html")]

    def targets(self, at: Place) -> list[str]:
        """Return the index of the features, the curves of what is trained; metrics and figures.

        Without annotations: events that are found without training.
        """
        features = self.feature_targets(at)
        is_possible = self.finds_events and self._can_find_events
        found = self.tag_targets(at) if is_possible else []
        metrics = super().targets(at) if self.trains_tim else []
        return [*dict.fromkeys([*metrics, *found, *features])]
