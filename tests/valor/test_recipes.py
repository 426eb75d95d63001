import subprocess
import sys

import pytest

from avlib.valor.recipes import PARSER_RECIPES as RECIPES


def test_recipes_are_the_published_ones():
    rows = {
        name: (
            r.seed,
            r.lr,
            r.lr_min,
            r.hidden_dim,
            r.num_layers,
            r.nhead,
            r.ff_dim,
            r.audio,
            r.visual,
            r.epochs,
            r.batch_size,
            r.optimizer,
            r.scheduler,
            r.weight_decay,
            r.betas,
            r.grad_norm,
        )
        for name, r in RECIPES.items()
    }
    common = (60, 64, "adamw", "warm_up_cos_anneal", 1e-3, (0.5, 0.999), 1.0)
    assert rows == {
        "han": (
            1,
            3e-4,
            0,
            512,
            1,
            1,
            512,
            "vggish",
            "res152",
            40,
            16,
            "adam",
            "steplr",
            0,
            (0.9, 0.999),
            None,
        ),
        "valor": (1000, 1e-4, 1e-6, 512, 1, 8, 1024, "vggish", "res152", *common),
        "valor+": (64, 3e-4, 3e-6, 256, 4, 8, 1024, "vggish", "res152", *common),
        "valor++": (87, 3e-4, 3e-6, 256, 4, 8, 1024, "clap", "clip", *common),
    }
    for recipe in RECIPES.values():
        segment, event = recipe.published_scores[:5], recipe.published_scores[5:]
        for scores in (segment, event):
            assert scores[3] == pytest.approx(sum(scores[:3]) / 3, abs=0.1)


def test_the_workflow_reads_the_recipes_without_torch():
    code = "import sys, avlib.valor.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
