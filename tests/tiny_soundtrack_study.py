"""Results of a study of soundtracks with small networks of random weights."""

import json

import torch
from tiny_weights import MAPS

from avlib.io.weights import save_weights
from avlib.predict.soundtrack_description import FILE, describe_soundtracks
from avlib.soundtracks.blocks import BasicBlock
from avlib.soundtracks.network import ResNet, network_weights

CLASSES = ["bark", "horn", "rain"]
RATE = 44_100


def write_network(path, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNet(BasicBlock, (1, 1, 1, 1), num_classes=len(CLASSES), width=4)
    path.parent.mkdir(parents=True)
    save_weights(path, network_weights(network), MAPS | {"pool": "full"})


def write_soundtrack_study(folder, folds=("all",), **changed):
    """Write the results of a study of soundtracks, of random weights."""
    weights = {fold: folder / f"model/soundtrack/{fold}/model.safetensors" for fold in folds}
    for seed, path in enumerate(weights.values()):
        write_network(path, seed)
    (folder / "classes.json").write_text(json.dumps({"class_id": CLASSES}))
    sound = {"sample_rate": RATE, "resampler": "ffmpeg", "channels": "own", "bits": 16}
    settings = {
        "study": "heard",
        "section": "sounds",
        "sound": sound,
        "mel": {"variant": "librosa_0_8", "reference": "soundtrack", "dtype": "float32"},
        "pads_short": False,
        "pooling": "logit",
        "device": "cpu",
    }
    describe_soundtracks(settings=settings | changed, models=weights, target=folder / FILE)
    return folder
