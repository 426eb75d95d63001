"""What a trained study leaves for the prediction of new files: `results/<study>/model/tim.json`.

With `classes.json`, the weights below `model/` and the summaries of the features, which hold the
settings of each extractor and the hash of its weights, it is all that a prediction needs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import ConfigError
from avlib.io.atomic import write_json
from avlib.io.json_files import read_json
from avlib.io.tables import read_table
from avlib.predict.recorded import Recorded, Trained, read_description, record_weights
from avlib.tim.recipes import MODELS, Modality, ModelName
from avlib.tim.tables import QUERIES

FILE = Path("model/tim.json")  # below the results of a study
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the training events that are shorter than a query
SHORTEST_S, SIMILAR = 0.4, 1.2  # of queries; lengths with a smaller ratio count as one
SECOND_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Description(Recorded):
    """How TIM's models came to their predictions.

    Attributes:
        intervals: rule of the intervals, as `make_shard_intervals` takes it.
        extractors: names of the extractors by modality, in the order of their channels.
        by_interval: whether every extractor makes features of intervals, whatever its row says.
        pack_rates: Hz of the packs of waveforms that each extractor of sound takes.
        recipe: name of TIM's recipe.
        mixed_precision: whether predictions are computed so.
        allow_fewer_views: as `FeatureFiles` takes it.
        weighs_models: whether the predictions of all models are fused where both modalities are
            there.
        is_paired: whether every query is one in both label spaces, as in AVE.
        is_by_the_second: whether the queries are whole seconds, background included.
        query_lengths_s: lengths of queries where they are not, by label space.
    """

    intervals: Mapping[str, Any]
    extractors: Mapping[Modality, list[str]]
    by_interval: bool
    pack_rates: Mapping[str, int]
    recipe: str
    mixed_precision: bool
    allow_fewer_views: bool
    weighs_models: bool
    is_paired: bool
    is_by_the_second: bool
    query_lengths_s: Mapping[Modality, list[float]]

    @property
    def takes_sound(self) -> bool:
        """Whether a model takes audio features."""
        return any(MODELS[model][0] != "visual" for model in self.models)


class TrainedStudy(Trained[Description]):
    """The results of a study of TIM."""

    @property
    def ensemble(self) -> Path | None:
        """Weights by which the predictions of all models are fused, where they are."""
        found = self.folder / "model/tim/ensemble.json"
        return found if self.description.weighs_models else None

    def extraction(self, extractor: str) -> tuple[dict[str, Any], Path | None]:
        """Return the settings of an extractor, and its weights; None where they are random.

        Raises:
            ConfigError: if the weights are gone or have changed.
            DataError: if the summary of its features is missing.
        """
        summary = read_json(self.folder / "features" / extractor / "summary.json")
        weights = summary["inputs"]["weights"]
        is_random = weights["sha256"] is None
        return summary["extraction"]["settings"], None if is_random else self.weights(weights)

    def check(self) -> None:
        """Look for all weights before any work, those of the extractors, too.

        Raises:
            ConfigError: if some are gone or have changed.
            DataError: if the summary of features is missing.
        """
        super().check()
        for extractors in self.description.extractors.values():
            for name in extractors:
                self.extraction(name)


def describe_study(
    *, settings: Mapping[str, Any], models: Mapping[ModelName, Path], queries: Path, target: Path
) -> None:
    """Write the description of a study that is trained; the stage of this name.

    Args:
        settings: the attributes of `Description` that the configuration decides.
        models: weights of TIM.
        queries: table of kind QUERIES of the study.
        target: JSON file to write.
    """
    table = read_table(queries, QUERIES)
    keys = ["annotation_id", "split", "video_id", "start_s", "stop_s"]
    visual, audio = (table.loc[table["modality"] == m, keys] for m in ("visual", "audio"))
    is_paired = bool(len(visual)) and visual.to_numpy().tolist() == audio.to_numpy().tolist()
    is_second = np.isclose(table["stop_s"] - table["start_s"], SECOND_S)
    description = Description(
        models={name: record_weights(path) for name, path in models.items()},
        is_paired=is_paired,
        is_by_the_second=is_paired and bool(is_second.all()),
        query_lengths_s={
            m: query_lengths(table[table["modality"] == m]) for m in ("visual", "audio")
        },
        **settings,
    )
    write_json(target, asdict(description))


def query_lengths(queries: pd.DataFrame) -> list[float]:
    """Return a few lengths that stand for those of the training events, ascending, in seconds.

    They are the SHARES quantiles, none below SHORTEST_S, and those that differ by less than the
    factor SIMILAR once.

    Args:
        queries: rows of QUERIES of one label space.
    """
    train = queries[queries["split"] == "train"]
    if train.empty:
        train = queries
    if train.empty:
        return []
    lengths: list[float] = []
    for length in np.quantile(train["stop_s"] - train["start_s"], SHARES).tolist():
        length_s = round(max(length, SHORTEST_S), 2)
        if not lengths or length_s >= SIMILAR * lengths[-1]:
            lengths.append(length_s)
    return lengths


def read_study(folder: Path) -> TrainedStudy:
    """Return the results of a study, if it has a trained model.

    Raises:
        ConfigError: if it has none, or there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; name the results of a study: results/ave")
    if not (folder / FILE).is_file():
        raise ConfigError(
            f"{folder}: no trained model for new files ({folder / FILE} is missing); make the "
            "study with `.venv/bin/snakemake --cores 2 <study>`: ave, epic, perception, k600, "
            "sounds, or custom with annotations, from videos"
        )
    content = read_description(folder / FILE, set(Description.__dataclass_fields__))
    return TrainedStudy(folder, Description(**content))
