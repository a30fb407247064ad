"""Published sets that can be downloaded: where their files lie, how they are checked, and what is in them. Data only."""

from dataclasses import dataclass
from typing import Literal

from simclr.datasets.medmnist import MEDMNIST, RECORD

Kind = Literal["cifar", "stl10", "idx", "npz", "archive"]
MIB = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """A file as its publisher offers it; ``about_bytes`` is for people, the MD5 decides."""

    name: str
    url: str
    md5: str
    about_bytes: int | None = None


@dataclass(frozen=True)
class Source:
    """A published set.

    Attributes:
        name: What the command line, the API and a stored set's ``source`` call it.
        title: What people call it.
        about: A sentence on what is in it.
        kind: How its files are read; see ``published.read_source``.
        files: All that are needed.
        licence: As its publisher states it.
        reference: Whom to cite.
        classes: Names by number, where the files know only numbers or codes.
        image_size: Side in pixels as published, of the shorter one where they differ.
    """

    name: str
    title: str
    about: str
    kind: Kind
    files: tuple[RemoteFile, ...]
    licence: str
    reference: str
    image_size: int
    classes: tuple[str, ...] = ()

    @property
    def about_bytes(self) -> int | None:
        """Bytes to download, None where one of the files' is not known."""
        sizes = [file.about_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size)


def _cifar(number: int, md5: str, size: int) -> Source:
    name = f"cifar-{number}-binary.tar.gz"
    file = RemoteFile(name, f"https://www.cs.toronto.edu/~kriz/{name}", md5, size)
    return Source(
        f"cifar{number}", f"CIFAR-{number}",
        f"60,000 colour photographs of {number} classes, 50,000 of them for training.",
        "cifar", (file,), "not stated; for research", "Krizhevsky 2009, Learning multiple layers of features from tiny images",
        32,
    )  # fmt: skip


def _imagenette(px: int, md5: str, size: int) -> Source:
    name = f"imagenette2-{px}.tgz"
    file = RemoteFile(name, f"https://s3.amazonaws.com/fast-ai-imageclas/{name}", md5, size)
    return Source(
        f"imagenette{px}", f"Imagenette, {px} pixels",
        "13,394 photographs of ten easily told classes of ImageNet; the 3,925 of its validation are the test split here.",
        "archive", (file,), "Apache 2.0; photographs as in ImageNet", "Howard 2019, github.com/fastai/imagenette", px,
        # In the order of the folders' names, which are WordNet's numbers.
        ("tench", "English springer", "cassette player", "chain saw", "church", "French horn", "garbage truck", "gas pump",
         "golf ball", "parachute"),
    )  # fmt: skip


_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_EUROSAT = (
    "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
)

# Addresses and sums as torchvision 0.29 has them; of CIFAR's binary versions as their page has them, since those need no pickle.
_OTHERS = (
    _cifar(10, "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171),
    _cifar(100, "03b5dce01913d631647c71ecec9e9cb8", 168_513_733),
    Source(
        "stl10", "STL-10",
        "13,000 labelled photographs of ten classes, and 100,000 without labels for pretraining.",
        "stl10",
        (RemoteFile("stl10_binary.tar.gz", "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                    "91f7769df0f17e558f3565bffb0c7dfb", 2_640_397_119),),
        "as of ImageNet", "Coates, Lee & Ng 2011, AISTATS", 96,
    ),
    Source(
        "fashionmnist", "Fashion-MNIST",
        "70,000 grey pictures of ten kinds of clothing, 60,000 of them for training.",
        "idx",
        (
            RemoteFile("train-images-idx3-ubyte.gz", f"{_FASHION}train-images-idx3-ubyte.gz",
                       "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
            RemoteFile("train-labels-idx1-ubyte.gz", f"{_FASHION}train-labels-idx1-ubyte.gz",
                       "25c81989df183df01b3e8a0aad5dffbe", 29_515),
            RemoteFile("t10k-images-idx3-ubyte.gz", f"{_FASHION}t10k-images-idx3-ubyte.gz",
                       "bef4ecab320f06d8554ea6380940ec79", 4_422_102),
            RemoteFile("t10k-labels-idx1-ubyte.gz", f"{_FASHION}t10k-labels-idx1-ubyte.gz",
                       "bb300cfdad3c16e7a12a480ee83cd310", 5_148),
        ),
        "MIT", "Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747", 28,
        ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    _imagenette(160, "e793b78cc4c9e9a4ccc0c1155377a412", 99_000_000),
    _imagenette(320, "3df6f0d01a2c9592104656642f5e78a3", 342_000_000),
    Source(
        "eurosat", "EuroSAT",
        "27,000 satellite pictures of ten kinds of land use.",
        "archive",
        (RemoteFile("EuroSAT.zip", _EUROSAT, "c8fa014336c82ac7804f0398fcb19387", 94_000_000),),
        "MIT", "Helber et al. 2019, arXiv:1709.00029", 64,
    ),
)  # fmt: skip


def _medmnist() -> tuple[Source, ...]:
    made = []
    for entry in MEDMNIST:
        for px, md5 in ((28, entry.md5), (64, entry.md5_64)):
            stem = entry.name if px == 28 else f"{entry.name}_{px}"
            file = RemoteFile(f"{stem}.npz", f"{RECORD}/{stem}.npz?download=1", md5)
            made.append(
                Source(
                    stem, entry.title if px == 28 else f"{entry.title}, {px} pixels", entry.about, "npz", (file,),
                    entry.licence, "Yang et al. 2023, MedMNIST v2, arXiv:2110.14795", px, entry.classes,
                )
            )  # fmt: skip
    return tuple(made)


SOURCES: dict[str, Source] = {source.name: source for source in (*_OTHERS, *_medmnist())}
