"""Operations of EfficientNet-Lite0: its weights, front end and network."""

import numpy as np
import torch
from torch import Tensor

from avlib.extractors.efficientnet_lite.images import centre_crop, classes, preprocess, resized
from avlib.extractors.efficientnet_lite.inference import EfficientNetLite0Model
from avlib.extractors.efficientnet_lite.network import EfficientNetLite0
from avlib.extractors.efficientnet_lite.weights import load_efficientnet_lite0
from avlib.verify.cases import Package
from avlib.verify.networks import state_entries
from avlib.verify.operations import Array, Numerics, Results, Weights, operation

FILE_NAME = "efficientnet-lite0-57934424.pth"
BEST = 5  # classes of a picture


def network(weights: Weights | Package) -> EfficientNetLite0:
    """Return the network with weights of the package, or by rule."""
    if isinstance(weights, Weights):
        return weights.fill(EfficientNetLite0().eval())
    return load_efficientnet_lite0(weights.files[FILE_NAME])


@operation("efficientnet_lite0", "state_dict")
def state_dict(weights: Package) -> Results:
    """Return names, shapes and types of the weights of the package, as the network has them."""
    model = network(weights)
    return state_entries(model, model.state_dict())


@operation("efficientnet_lite0", "preprocess")
def front_end(image: Array) -> Results:
    """Return the crop of an image (H, W, 3), its resized pixels, and the network's input."""
    crop = list(centre_crop(*image.shape[:2]))
    return {"crop": crop, "pixels": resized(image), "tensor": preprocess(image)}


@operation("efficientnet_lite0", "network")
@torch.inference_mode()
def outputs(images: Tensor, weights: Weights | Package, numerics: Numerics) -> Results:
    """Return embedding and logits of normalised images."""
    embedding, logits = network(weights).to(numerics.device, numerics.dtype)(images)
    return {"embedding": embedding, "logits": logits}


@operation("efficientnet_lite0", "image_features")
def image_features(image: Array, weights: Weights | Package, numerics: Numerics) -> Results:
    """Return embedding, logits and the best classes of a picture, as extraction makes them."""
    model = EfficientNetLite0Model(network(weights), numerics.device, numerics.dtype)
    embedding, logits = model.run(preprocess(image)[None])
    best = np.argsort(-logits[0], kind="stable")[:BEST]
    return {
        "embedding": embedding[0],
        "logits": logits[0],
        "top5": [classes()[number] for number in best],
    }
