"""torchvision's weights of ImageNet; the real ones cannot be fetched here, so files of their form stand in for them."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn
from torchvision.models import ResNet18_Weights, ResNet34_Weights, ResNet50_Weights, resnet18

from simclr import weights
from simclr.encoder_file import EncoderFile, read_encoder_file
from simclr.encoders import load_encoder, prepare
from simclr.runs import sha256_of
from simclr.weights import GREY_MEAN, GREY_STD, IMAGENET_MEAN, IMAGENET_STD, imagenet_encoder, weights_url

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original() -> nn.Module:
    torch.manual_seed(0)
    network = resnet18()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def published(original: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision publishes them: a state dict of torch.save, its name ending in the start of its sha256."""
    path = tmp_path_factory.mktemp("published") / "w.pth"
    torch.save(original.state_dict(), path)
    return path.rename(path.with_name(f"resnet18-{sha256_of(path)[:8]}.pth"))


@pytest.fixture
def cache(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's empty cache, while the stand-in is what torchvision publishes under an address that leads nowhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "weights_url", lambda _architecture: f"http://127.0.0.1:9/models/{published.name}")
    return tmp_path / "torch" / "hub" / "checkpoints"


def features(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What torchvision's network hands to its classifier."""
    trunk = nn.Sequential(*list(network.children())[:-1])
    with torch.no_grad():
        return trunk(images).flatten(1)


def test_the_weights_are_torchvisions_first_ones() -> None:
    assert weights_url("resnet18") == ResNet18_Weights.IMAGENET1K_V1.url
    assert weights_url("resnet34") == ResNet34_Weights.IMAGENET1K_V1.url
    assert weights_url("resnet50") == ResNet50_Weights.IMAGENET1K_V1.url
    with pytest.raises(ValueError, match="no weights of ImageNet for 'resnet8': choose resnet18"):
        weights_url("resnet8")  # type: ignore[arg-type]


def test_images_are_normalised_as_torchvision_does_it_for_these_weights() -> None:
    theirs = ResNet18_Weights.IMAGENET1K_V1.transforms()
    assert (tuple(theirs.mean), tuple(theirs.std)) == (IMAGENET_MEAN, IMAGENET_STD)
    assert (pytest.approx(sum(theirs.mean) / 3),) == GREY_MEAN
    assert (pytest.approx(sum(theirs.std) / 3),) == GREY_STD


@pytest.mark.usefixtures("cache")
def test_features_are_torchvisions(original: nn.Module, published: Path, tmp_path: Path) -> None:
    file = imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", published)
    assert file == read_encoder_file(tmp_path / "e.safetensors")
    assert (file.origin, file.channels, file.image_size, file.feature_dim) == ("imagenet", 3, 224, 512)
    encoder, _ = load_encoder(tmp_path / "e.safetensors")
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(encoder(images), features(original, images), rtol=1e-5, atol=1e-5)


def test_a_file_in_the_cache_needs_no_download(published: Path, cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    (cache / published.name).write_bytes(published.read_bytes())
    assert imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", image_size=32).image_size == 32


def smooth(n: int, size_px: int) -> torch.Tensor:
    """Grey images in [0, 1] with as little detail as photographs."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 1, 8, 8, generator=generator)
    return nn.functional.interpolate(coarse, (size_px, size_px), mode="bilinear", antialias=True)


def grey(published: Path, folder: Path, image_size: int) -> tuple[nn.Module, EncoderFile]:
    imagenet_encoder("resnet18", 1, folder / "grey.safetensors", published, image_size=image_size)
    return load_encoder(folder / "grey.safetensors")


def normalised(images: torch.Tensor) -> torch.Tensor:
    return (images - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)


@pytest.mark.usefixtures("cache")
def test_the_grey_stem_answers_as_the_original_does_to_a_repeated_image_away_from_the_border(
    original: nn.Module, published: Path, tmp_path: Path
) -> None:
    encoder, file = grey(published, tmp_path, 64)
    images = (smooth(4, 64) * 255).round().byte()
    with torch.no_grad():
        ours = encoder.bn1(encoder.conv1(prepare(images, file)))
        theirs = original.bn1(original.conv1(normalised(images.float().expand(-1, 3, -1, -1) / 255)))
    # Kernels of 7×7 at stride 2 reach over the border only in the first and last two places; float32 elsewhere.
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours[..., 0, 0], theirs[..., 0, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(("size_px", "share"), [(28, 0.03), (96, 0.006), (224, 0.002)])
def test_the_border_moves_grey_features_as_little_as_is_said(
    size_px: int, share: float, original: nn.Module, published: Path, tmp_path: Path
) -> None:
    """The docstring's shares, with room for other random weights; unfolded means would move features by 4 %."""
    encoder, file = grey(published, tmp_path, size_px)
    images = (smooth(2, size_px) * 255).round().byte()
    with torch.no_grad():
        ours = encoder(prepare(images, file))
    theirs = features(original, normalised(images.float().expand(-1, 3, -1, -1) / 255))
    assert ((ours - theirs).norm() / theirs.norm()).item() < share


@pytest.mark.usefixtures("cache")
def test_with_one_normalisation_for_all_channels_grey_features_are_the_originals(
    original: nn.Module, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "IMAGENET_MEAN", GREY_MEAN * 3)
    monkeypatch.setattr(weights, "IMAGENET_STD", GREY_STD * 3)
    encoder, file = grey(published, tmp_path, 32)
    images = prepare((smooth(4, 32) * 255).round().byte(), file)
    with torch.no_grad():
        ours = encoder(images)
    # Borders included: zeros around the image now stand for the same grey. float32 in another order.
    torch.testing.assert_close(ours, features(original, images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


def test_without_the_file_it_is_said_what_to_put_where(published: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=rf"{published.name}, torchvision's weights .* put it into {cache}, or name the file"
    ):
        imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors")
    with pytest.raises(ValueError, match=r"no weights at .*nothing\.pth: allow the download"):
        imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", tmp_path / "nothing.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_reaches_nobody_says_so(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"could not be fetched \(.*\): allow the download, or get http"):
        imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", download=True)
    assert list(cache.iterdir()) == []
    assert not (tmp_path / "e.safetensors").exists()


def test_another_file_is_refused_and_both_are_named(published: Path, cache: Path, tmp_path: Path) -> None:
    other = tmp_path / published.name
    other.write_bytes(published.read_bytes() + b"\0")
    begins = sha256_of(other)[:8]
    with pytest.raises(
        ValueError, match=rf"is not torchvision's {published.name}: its sha256 begins with {begins}, not"
    ):
        imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", other)
    assert not (tmp_path / "e.safetensors").exists()


class Server(BaseHTTPRequestHandler):
    """Answers every request with ``content``, of which it promises ``promised`` bytes."""

    content: ClassVar[bytes] = b""
    promised: ClassVar[int] = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.promised))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Serve bytes where torchvision's file should be, with the length of the whole file."""

    def serve(content: bytes) -> None:
        monkeypatch.setattr(Server, "content", content)
        monkeypatch.setattr(Server, "promised", published.stat().st_size)

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/models/{published.name}"
        monkeypatch.setattr(weights, "weights_url", lambda _architecture: address)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield serve
        server.shutdown()
        thread.join()


def test_a_download_is_kept_in_the_cache(
    served: Callable[[bytes], None], published: Path, cache: Path, original: nn.Module, tmp_path: Path
) -> None:
    served(published.read_bytes())
    imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", download=True)
    assert [path.name for path in cache.iterdir()] == [published.name]
    served(b"never asked again")
    imagenet_encoder("resnet18", 3, tmp_path / "again.safetensors", download=True)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "e.safetensors").read_bytes()


@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["nothing", "half"])
def test_a_download_that_breaks_off_leaves_nothing(
    kept: float, served: Callable[[bytes], None], published: Path, cache: Path, tmp_path: Path
) -> None:
    whole = published.read_bytes()
    served(whole[: int(len(whole) * kept)])
    with pytest.raises(ValueError, match="could not be fetched"):
        imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", download=True)
    assert list(cache.iterdir()) == []
    assert not (tmp_path / "e.safetensors").exists()


def test_a_download_of_other_bytes_leaves_nothing(
    served: Callable[[bytes], None], published: Path, cache: Path, tmp_path: Path
) -> None:
    served(bytes(published.stat().st_size))
    with pytest.raises(ValueError, match="could not be fetched"):
        imagenet_encoder("resnet18", 3, tmp_path / "e.safetensors", download=True)
    assert list(cache.iterdir()) == []
