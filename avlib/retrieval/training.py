"""Stage train_encoder: narrow encoders in place of published weights, for the miniatures.

They are CLAP, ASE and EgoVLP with few channels and blocks, trained contrastively on rendered clips
of the actions of the miniatures, none of which is in a benchmark, and on texts of all kinds that
the benchmarks have. One encoder serves all three benchmarks, as the published ones do. The two of
ASE differ in what was drawn for them. Texts of two kinds about one action are drawn together, too,
before the clips and beside them, since steps of texts take a fraction of the time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from avlib.datasets.miniature.kitchen import ACTIONS
from avlib.io.atomic import write_json
from avlib.io.provenance import code_fingerprint
from avlib.io.weights import save_weights
from avlib.retrieval.objective import TEMPERATURE, contrastive_loss
from avlib.retrieval.recipes import ENCODER_RECIPES, EncoderRecipe
from avlib.retrieval.rendered_clips import TEXT_KINDS, Clips, draw_clips, draw_texts
from avlib.retrieval.small_encoders import SmallEncoder, build_encoder, tokens
from avlib.seeds import generator
from avlib.training.loop import fit
from avlib.training.schedules import learning_rate
from avlib.training.state import Progress, remove_states, state_key

WEIGHT_DECAY = 0.01
LARGEST_GRADIENT = 1.0  # norm
TEXT_RATE = 1e-3  # of pairs alone; at higher ones CLAP's pooling saturates and nouns are lost
TEXT_WARMUP_STEPS = 20
VALIDATED = {"original": "narration", "llm": "description"}  # kinds of texts


class Tokens(NamedTuple):
    """Texts as a network reads them."""

    ids: Tensor  # (B, L)
    mask: Tensor  # (B, L)


class Pairs(NamedTuple):
    """Texts of two kinds about the same actions; rows of equal labels fit each other."""

    one: Tokens
    other: Tokens
    labels: Tensor  # (P,)


class Batch(NamedTuple):
    """Clips with a text of each, and pairs of texts; rows of equal labels fit each other."""

    inputs: list[Tensor]
    texts: Tokens
    labels: Tensor  # (B,)
    pairs: Pairs
    is_quick: bool


class Texts:
    """Texts about all actions as tokens.

    Args:
        network: whose tokens they are.
        drawn: texts by kind and action, of `draw_texts`.
        tokenizer: folder of the tokenizer's files.

    Raises:
        DataError: if the tokenizer cannot be read.
    """

    def __init__(
        self, network: str, drawn: Mapping[str, Sequence[Sequence[str]]], tokenizer: Path
    ) -> None:
        every = [text for kind in drawn.values() for texts in kind for text in texts]
        distinct = {text: row for row, text in enumerate(dict.fromkeys(every))}
        self._ids, self._mask = tokens(network, list(distinct), tokenizer)
        self._rows = {
            name: [[distinct[text] for text in texts] for texts in kind]
            for name, kind in drawn.items()
        }

    def drawn(self, kind: str, actions: NDArray[np.int64], rng: np.random.Generator) -> Tokens:
        """Return a text about each action."""
        return self._padded([int(rng.choice(self._rows[kind][action])) for action in actions])

    def pairs(self, count: int, rng: np.random.Generator) -> Pairs:
        """Return texts about random actions, of two random kinds."""
        one, other = (str(kind) for kind in rng.choice(list(TEXT_KINDS), 2, replace=False))
        actions = rng.integers(len(ACTIONS), size=count)
        labels = _labels(actions, one, other)
        return Pairs(self.drawn(one, actions, rng), self.drawn(other, actions, rng), labels)

    def first(self, kind: str) -> Tokens:
        """Return the first text about each of ACTIONS."""
        return self._padded([rows[0] for rows in self._rows[kind]])

    def _padded(self, rows: Sequence[int]) -> Tokens:
        mask = self._mask[list(rows)]
        longest = int(mask.sum(dim=1).max())
        return Tokens(self._ids[list(rows), :longest], mask[:, :longest])


class EncoderTask:
    """The training of an encoder, as `avlib.training.loop.fit` sees it.

    Args:
        network: its name.
        encoder: what is trained.
        recipe: how.
        training: clips to train on.
        validation: clips that the epochs are compared on.
        texts: texts about the actions of both.
        seed: of the order of the clips and the choice of the texts.
    """

    def __init__(
        self,
        network: str,
        encoder: SmallEncoder,
        recipe: EncoderRecipe,
        training: Clips,
        validation: Clips,
        texts: Texts,
        seed: int,
    ) -> None:
        self.title, self.device = network, torch.device("cpu")
        self.epochs, self.validate_every = recipe.schedule.epochs, recipe.validate_every
        self.steps = len(training.inputs) // recipe.batch_size
        self.model = encoder
        self._trained = [p for p in encoder.parameters() if p.requires_grad]
        self.optimizer = AdamW(self._trained, weight_decay=WEIGHT_DECAY)
        self._recipe, self._texts, self.seed = recipe, texts, seed
        self._training, self._validation = training, validation

    def learning_rate(self, epoch: float) -> float:
        """Return the rate at a fractional epoch."""
        return learning_rate(epoch, self._recipe.schedule)

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; the texts of its clips are all of one kind."""
        clips, size = self._training, self._recipe.batch_size
        order = generator(self.seed, "order of clips", epoch).permutation(len(clips.inputs))
        shares = [kind.share for kind in TEXT_KINDS.values()]
        for step in range(first_step, self.steps):
            rng = generator(self.seed, "texts of clips", epoch, step)
            rows = order[step * size : (step + 1) * size]
            kind = str(rng.choice(list(TEXT_KINDS), p=shares))
            actions = clips.actions[rows]
            yield Batch(
                [clips.inputs[row] for row in rows],
                self._texts.drawn(kind, actions, rng),
                _labels(actions, kind),
                self._texts.pairs(self._recipe.text_pairs, rng),
                is_quick=epoch < self._recipe.quick_epochs,
            )

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Update the encoder once and return the loss of its clips and that of its pairs."""
        self.model.eval()  # no dropout
        # That of the bands updates its statistics. Statistics over a batch of what the fusion pools
        # are so noisy that the network would be another one in evaluation.
        self.model.band_norms.train()
        embed = self.model.embed_quickly if batch.is_quick else self.model.embed_clips
        clips = embed(batch.inputs)
        texts = self.model.embed_texts(*batch.texts)
        loss = contrastive_loss(clips, texts, batch.labels)
        pair_loss = _pair_loss(self.model, batch.pairs)
        self.optimizer.zero_grad()
        (loss + pair_loss).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._trained, LARGEST_GRADIENT)
        self.optimizer.step()
        return {"loss": loss.item(), "pair_loss": pair_loss.item()}

    @torch.inference_mode()
    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Return how many clips are nearest to the text about their action, by kind of text."""
        self.model.eval()
        size, clips = self._recipe.batch_size, self._validation
        parts = []
        for first in range(0, len(clips.inputs), size):
            parts.append(self.model.embed_clips(clips.inputs[first : first + size]))
            check()
        embedded = functional.normalize(torch.cat(parts), dim=-1)
        actions = torch.from_numpy(clips.actions)
        found, losses = {}, []
        for name, kind in VALIDATED.items():
            texts = functional.normalize(self.model.embed_texts(*self._texts.first(kind)), dim=-1)
            cosines = embedded @ texts.T  # (N, actions)
            is_right = cosines.argmax(dim=1) == actions
            found[name] = {"top1": is_right.double().mean().item()}
            losses.append(functional.cross_entropy(cosines / TEMPERATURE, actions).item())
        score = sum(part["top1"] for part in found.values()) / len(found)
        both = {"loss": sum(losses) / len(losses), "both": {"top1": score}}
        return score, {"select_by": "both", **both, **found}


def teach_texts(encoder: SmallEncoder, texts: Texts, recipe: EncoderRecipe, seed: int) -> None:
    """Train the text tower on pairs of texts alone, before the clips.

    Without it, the first epochs of the clips pass by texts whose embeddings hardly differ.
    """
    encoder.eval()
    trained = [p for p in encoder.parameters() if p.requires_grad]
    optimizer = AdamW(trained, weight_decay=WEIGHT_DECAY)
    for step in range(recipe.text_steps):
        for group in optimizer.param_groups:
            group["lr"] = TEXT_RATE * min(1.0, (step + 1) / TEXT_WARMUP_STEPS)
        pairs = texts.pairs(recipe.text_pairs, generator(seed, "pairs of texts", step))
        optimizer.zero_grad()
        _pair_loss(encoder, pairs).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, LARGEST_GRADIENT)
        optimizer.step()


def _pair_loss(encoder: SmallEncoder, pairs: Pairs) -> Tensor:
    one, other = (encoder.embed_texts(*tokens) for tokens in (pairs.one, pairs.other))
    return contrastive_loss(one, other, pairs.labels)


def _labels(actions: NDArray[np.int64], *kinds: str) -> Tensor:
    """Return the actions, or the classes of their sounds if a text is about them alone."""
    if any(TEXT_KINDS[kind].is_of_class for kind in kinds):
        return torch.tensor([ACTIONS[action].sound_class[0] for action in actions])
    return torch.from_numpy(actions)


def train_encoder(
    network: str,
    *,
    seed: int,
    model_path: Path,
    log_path: Path,
    metrics_path: Path,
    tokenizer: Path,
    recipe: EncoderRecipe | None = None,
) -> None:
    """Train an encoder on rendered clips and write its weights.

    The output is the same bytes every time on the same machine, after any interruption.

    Args:
        network: key of ENCODER_RECIPES.
        seed: seed of the initial weights, the clips, and the order of the clips.
        model_path: safetensors file, read by the loader of the published weights.
        log_path: one JSON line an epoch; `val` holds the share of the validation clips whose
            nearest text of all actions is that about their own.
        metrics_path: JSON file with the recipe, the best epoch and its scores.
        tokenizer: folder of the byte tokenizer for clap, of the `vocab.txt` for the others.
        recipe: hyperparameters; None: those of the network.

    Raises:
        ConfigError: if the loss is no longer finite.
        DataError: if the tokenizer cannot be read.
    """
    torch.set_num_threads(1)  # another number changes the last bits
    recipe = recipe or ENCODER_RECIPES[network]
    task = _prepared(network, recipe, seed, tokenizer)
    code = code_fingerprint("avlib.retrieval.training")
    key = state_key([repr((network, seed, recipe, code)).encode()])
    states = model_path.parent / "state"
    progress = fit(task, directory=states, key=key, log=log_path)
    task.model.load_state_dict(progress.best_model)
    metadata = {"kind": network, "seed": str(seed)}
    save_weights(model_path, task.model.weights(), metadata | task.model.settings)
    write_json(metrics_path, _summary(network, seed, recipe, progress))
    remove_states(states)


def _prepared(network: str, recipe: EncoderRecipe, seed: int, tokenizer: Path) -> EncoderTask:
    """Return the training of an encoder that knows its texts, on rendered clips."""
    texts = Texts(network, draw_texts(seed), tokenizer)
    encoder = build_encoder(network, seed)
    teach_texts(encoder, texts, recipe, seed)
    return EncoderTask(
        network,
        encoder,
        recipe,
        # The names of the two sets are part of their seeds.
        draw_clips(network, recipe.clips_per_action, seed, "trained on"),
        draw_clips(network, recipe.validated_per_action, seed, "validated on"),
        texts,
        seed,
    )


def _summary(network: str, seed: int, recipe: EncoderRecipe, progress: Progress) -> dict[str, Any]:
    return {
        "kind": network,
        "note": "a narrow network, trained on rendered clips in place of published weights",
        "seed": seed,
        "recipe": asdict(recipe),
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "metrics": {"val": progress.log[progress.best_epoch - 1]["val"]},
        "chance": 1 / len(ACTIONS),
        "counts": {
            "clips": {
                "train": recipe.clips_per_action * len(ACTIONS),
                "val": recipe.validated_per_action * len(ACTIONS),
            }
        },
    }
