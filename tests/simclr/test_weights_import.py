"""Networks written by other programs, imported: their features come back, and what does not fit is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.models import ResNetGenerator
from lightly.models.modules.heads import SimCLRProjectionHead
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import resnet18, resnet34, resnet50, resnet101, wide_resnet50_2
from torchvision.models.resnet import BasicBlock, ResNet

from simclr.config import EncoderConfig
from simclr.encoder_file import ImageFacts, read_encoder_file
from simclr.encoders import load_encoder, seeded, untrained_encoder
from simclr.match_report import MatchReport
from simclr.weights import import_checkpoint, inspect_checkpoint

pytestmark = pytest.mark.slow

Weights = dict[str, Tensor]
FACTS = ImageFacts(channels=3, image_size=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
GREY = ImageFacts(channels=1, image_size=32, mean=(0.5,), std=(0.2,))
NARROW = EncoderConfig(architecture="resnet18", width=8, stem="small")


class Narrow(ResNet):
    """torchvision's ResNet-18 at an eighth of its width, changed as nearly everyone changes it for CIFAR."""

    def __init__(self) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.Identity()
        self.fc = nn.Identity()

    def _make_layer(self, block: type[BasicBlock], planes: int, *others: Any, **named: Any) -> nn.Sequential:
        if planes == 64:
            self.inplanes = 8
        return super()._make_layer(block, planes // 8, *others, **named)


@pytest.fixture(scope="module")
def original() -> nn.Module:
    torch.manual_seed(0)
    network = Narrow()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def under(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def linear(name: str) -> Weights:
    return {f"{name}.weight": torch.zeros(4, 64), f"{name}.bias": torch.zeros(4)}


def imported(tmp_path: Path, content: object, facts: ImageFacts = FACTS, **given: EncoderConfig) -> MatchReport:
    torch.save(content, tmp_path / "source.pth")
    file, report = import_checkpoint(tmp_path / "source.pth", tmp_path / "e.safetensors", facts=facts, **given)
    assert file == read_encoder_file(tmp_path / "e.safetensors")
    assert (file.origin, file.architecture) == ("imported", report.architecture)
    return report


def refused(tmp_path: Path, content: object, match: str, facts: ImageFacts = FACTS, **given: EncoderConfig) -> None:
    torch.save(content, tmp_path / "source.pth")
    with pytest.raises(ValueError, match=match):
        import_checkpoint(tmp_path / "source.pth", tmp_path / "e.safetensors", facts=facts, **given)
    assert [path.name for path in tmp_path.iterdir()] == ["source.pth"]


def assert_same_features(tmp_path: Path, network: nn.Module) -> None:
    encoder, _ = load_encoder(tmp_path / "e.safetensors")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        # The mean over pixels is added up in another order.
        torch.testing.assert_close(encoder(images), network(images).flatten(1), rtol=1e-5, atol=1e-5)


def plain(w: Weights) -> object:
    return w | linear("fc")


def lightning(w: Weights) -> object:
    return {"state_dict": under("backbone.", w) | linear("projection_head.layers.0"), "pytorch-lightning_version": "2"}


def distributed(w: Weights) -> object:
    return {"model": under("module.model.net.encoder.", w) | linear("module.model.projector.0")}


def solo_learn(w: Weights) -> object:
    return {
        "state_dict": under("backbone.", w) | under("momentum_backbone.", {n: t + 1 for n, t in w.items()})
        | linear("projector.0") | linear("classifier") | linear("momentum_projector.0")
    }  # fmt: skip


def moco(w: Weights) -> object:
    follower = under("module.encoder_k.", {name: tensor + 1 for name, tensor in w.items()})
    queue = {"module.queue": torch.zeros(4, 4), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"state_dict": follower | under("module.encoder_q.", w) | linear("module.encoder_q.fc.0") | queue}


@pytest.mark.parametrize(
    ("written", "prefix", "left_out"),
    [
        (plain, "", {"a classifier or head"}),
        (lightning, "backbone.", {"a projection or prediction head"}),
        (distributed, "module.model.net.encoder.", {"a projection or prediction head"}),
        (
            solo_learn,
            "backbone.",
            {"a copy that follows the network", "a projection or prediction head", "a classifier or head"},
        ),
        (
            moco,
            "module.encoder_q.",
            {"a copy that follows the network", "a classifier or head", "what only its training needed"},
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_programs_checkpoint_gives_the_features_of_its_network(
    written: Callable[[Weights], object], prefix: str, left_out: set[str], original: nn.Module, tmp_path: Path
) -> None:
    report = imported(tmp_path, written(original.state_dict()))
    assert_same_features(tmp_path, original)
    assert (report.layout, report.prefix, report.architecture) == ("torchvision's names", prefix, NARROW)
    assert {part.why for part in report.ignored} == left_out
    # 20 convolutions, and 20 batch norms of 4 values each.
    assert (report.matched, report.fits) == (100, True)
    assert report.parameters == sum(p.numel() for p in original.parameters())
    assert report.sentence().startswith("resnet18 of width 8 with the small stem for 3 channels: 100 weights")


def test_a_checkpoint_that_lightning_wrote_is_read(original: nn.Module, tmp_path: Path) -> None:
    class Module(pl.LightningModule):
        def __init__(self, temperature: float) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.backbone = original
            self.projection_head = SimCLRProjectionHead(64, 64, 32)

    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, barebones=False)
    trainer.strategy.connect(Module(0.5))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    _, report = import_checkpoint(tmp_path / "last.ckpt", tmp_path / "e.safetensors", facts=FACTS)
    assert report.prefix == "backbone."
    assert_same_features(tmp_path, original)


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone."])
def test_lightlys_sequence_of_parts_is_understood(prefix: str, original: nn.Module, tmp_path: Path) -> None:
    parts = nn.Sequential(*list(original.children())[:-1])
    report = imported(tmp_path, {"state_dict": under(prefix, parts.state_dict()) | linear("projection_head.layers.0")})
    assert (report.prefix, report.layout) == (prefix, "lightly's nn.Sequential, by place")
    assert_same_features(tmp_path, parts)


@pytest.mark.parametrize(("name", "architecture"), [("resnet-9", "resnet10"), ("resnet-18", "resnet18")])
def test_lightlys_own_resnet_gives_its_features(name: str, architecture: str, tmp_path: Path) -> None:
    network = ResNetGenerator(name, width=0.25).eval()
    report = imported(tmp_path, under("backbone.", network.state_dict()))
    network.linear = nn.Identity()
    assert_same_features(tmp_path, network)
    assert (report.layout, report.architecture.architecture, report.architecture.width) == (
        "the names of lightly's ResNetGenerator", architecture, 16
    )  # fmt: skip


def test_lightlys_own_resnet_taken_apart_lost_a_relu_and_is_refused(tmp_path: Path) -> None:
    parts = nn.Sequential(*list(ResNetGenerator("resnet-18", width=0.25).children())[:-1], nn.AdaptiveAvgPool2d(1))
    refused(tmp_path, under("backbone.", parts.state_dict()), "loses the ReLU after its first norm")


@pytest.mark.parametrize(
    ("make", "architecture", "parameters"),
    # Published counts of torchvision less the classifier's: 11,689,512 - 513,000 and so on.
    [(resnet18, "resnet18", 11_176_512), (resnet34, "resnet34", 21_284_672), (resnet50, "resnet50", 23_508_032)],
)
def test_torchvisions_networks_are_recognised(
    make: Callable[[], nn.Module], architecture: str, parameters: int, tmp_path: Path
) -> None:
    save_file(make().state_dict(), tmp_path / "w.safetensors")
    report = inspect_checkpoint(tmp_path / "w.safetensors")
    assert (report.architecture.architecture, report.architecture.width) == (architecture, 64)
    assert (report.architecture.stem, report.parameters, report.fits) == ("imagenet", parameters, True)


@settings(max_examples=15, deadline=None)
@given(
    architecture=st.sampled_from(["resnet8", "resnet10", "resnet18", "resnet34", "resnet50"]),
    stem=st.sampled_from(["small", "strided", "imagenet"]),
    width=st.integers(8, 12),
    channels=st.sampled_from([1, 3]),
    prefix=st.sampled_from(["", "encoder.", "module.net.", "a.b_c.d."]),
)
def test_whatever_an_encoder_can_be_is_detected_and_comes_back_bit_for_bit(
    architecture: str, stem: str, width: int, channels: int, prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    config = EncoderConfig.model_validate({"architecture": architecture, "width": width, "stem": stem})
    weights = seeded(config, channels, 0).state_dict()
    save_file(under(prefix, weights), folder / "w.safetensors")
    found = inspect_checkpoint(folder / "w.safetensors").architecture
    # The stride of a 3×3 stem is not in its weights.
    assert found == (config if stem != "strided" else config.model_copy(update={"stem": "small"}))
    _, report = import_checkpoint(
        folder / "w.safetensors", folder / "e.safetensors", facts=FACTS if channels == 3 else GREY, architecture=config
    )
    assert (report.prefix, report.channels, report.assumed) == (prefix, channels, ())
    loaded, _ = load_encoder(folder / "e.safetensors")
    kept = loaded.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in weights.items())


@pytest.fixture
def weights() -> Weights:
    return dict(seeded(EncoderConfig(architecture="resnet8", width=8, stem="small"), 3, 0).state_dict())


def test_what_weights_cannot_tell_is_said(weights: Weights, tmp_path: Path) -> None:
    assert "small stem was assumed" in imported(tmp_path, weights).sentence()
    given = EncoderConfig(architecture="resnet8", width=8, stem="strided")
    report = imported(tmp_path, weights, architecture=given)
    assert (report.architecture, report.assumed) == (given, ())


def test_colours_summed_for_grey_answer_as_the_original_does_to_a_repeated_image(
    original: nn.Module, tmp_path: Path
) -> None:
    report = imported(tmp_path, original.state_dict(), GREY)
    assert "summed for grey" in report.sentence()
    encoder, _ = load_encoder(tmp_path / "e.safetensors")
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), original(images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


def test_grey_weights_are_not_stretched_to_colours(tmp_path: Path) -> None:
    weights = seeded(EncoderConfig(architecture="resnet8", width=8), 1, 0).state_dict()
    refused(tmp_path, weights, "takes images of 1 channel, not 3: import it for 1 channel")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precision_become_float32(dtype: torch.dtype, weights: Weights, tmp_path: Path) -> None:
    exact = {name: t.to(dtype) if t.is_floating_point() else t for name, t in weights.items()}
    imported(tmp_path, exact)
    loaded = load_encoder(tmp_path / "e.safetensors")[0].state_dict()
    assert all(torch.equal(loaded[name], tensor.to(loaded[name].dtype)) for name, tensor in exact.items())


def test_counters_of_batches_may_be_absent(weights: Weights, tmp_path: Path) -> None:
    without = {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}
    assert imported(tmp_path, without).matched == len(without)


def test_missing_weights_are_named(weights: Weights, tmp_path: Path) -> None:
    del weights["layer1.0.bn1.running_var"], weights["layer2.0.downsample.0.weight"]
    refused(tmp_path, weights, r"2 missing \(layer1\.0\.bn1\.running_var, layer2\.0\.downsample\.0\.weight\)")


def test_misshapen_weights_are_named_with_both_shapes(weights: Weights, tmp_path: Path) -> None:
    weights["layer1.0.conv1.weight"] = torch.zeros(8, 8, 1, 1)
    refused(
        tmp_path, under("net.", weights), r"of another shape \(net\.layer1\.0\.conv1\.weight 8×8×1×1, not 8×8×3×3\)"
    )


def test_a_wrong_architecture_is_refused_with_what_differs(weights: Weights, tmp_path: Path) -> None:
    wider = EncoderConfig(architecture="resnet8", width=16, stem="small")
    refused(
        tmp_path,
        weights,
        r"does not fit a resnet8 of width 16.*conv1\.weight 8×3×3×3, not 16×3×3×3",
        architecture=wider,
    )
    deeper = EncoderConfig(architecture="resnet10", width=8, stem="small")
    refused(tmp_path, weights, r"missing \(layer4\.0", architecture=deeper)
    shallower = seeded(deeper, 3, 0).state_dict()
    found = r"that this network does not have \(layer4\.0"
    refused(tmp_path, shallower, found, architecture=EncoderConfig(architecture="resnet8", width=8, stem="small"))


def test_weights_that_no_encoder_here_has_are_refused(weights: Weights, tmp_path: Path) -> None:
    extra = weights | {"layer1.0.conv1.bias": torch.zeros(8), "layer1.0.se.fc1.weight": torch.zeros(2, 8, 1, 1)}
    refused(
        tmp_path, extra, r"2 that this network does not have \(layer1\.0\.conv1\.bias, layer1\.0\.se\.fc1\.weight\)"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (resnet101, r"\(3, 4, 23, 3\) bottleneck blocks is none of resnet8"),
        (wide_resnet50_2, r"does not fit a resnet50.*of another shape \(layer1\.0\.conv1\.weight 128×64"),
    ],
)
def test_networks_that_look_alike_are_refused(make: Callable[[], nn.Module], message: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = make().state_dict()
    refused(tmp_path, {name: torch.zeros(()).expand(t.shape) for name, t in shapes.items()}, message)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value: float, weights: Weights, tmp_path: Path) -> None:
    weights["layer2.0.bn2.bias"][3] = value
    refused(tmp_path, under("encoder.", weights), r"encoder\.layer2\.0\.bn2\.bias holds NaN or infinity")


def test_values_beyond_float32_are_refused(weights: Weights, tmp_path: Path) -> None:
    refused(
        tmp_path, weights | {"bn1.bias": torch.full((8,), 1e300, dtype=torch.float64)}, "bn1.bias holds NaN or infinity"
    )


def test_a_negative_variance_is_refused(weights: Weights, tmp_path: Path) -> None:
    weights["bn1.running_var"][0] = -1
    refused(tmp_path, weights, "bn1.running_var is negative")


@pytest.mark.parametrize(
    "tensor", [torch.zeros(8, dtype=torch.int8), torch.zeros(8, dtype=torch.complex64), torch.zeros(8).to_sparse()]
)
def test_weights_that_are_no_plain_numbers_are_refused(tensor: Tensor, weights: Weights, tmp_path: Path) -> None:
    refused(tmp_path, weights | {"bn1.bias": tensor}, "bn1.bias holds .*: plain floating-point weights are needed")


def test_weights_without_values_are_refused(weights: Weights, tmp_path: Path) -> None:
    refused(tmp_path, weights | {"bn1.bias": torch.zeros(8, device="meta")}, "bn1.bias holds .* on 'meta'")


def test_shapes_of_any_size_are_refused_before_they_take_memory(weights: Weights, tmp_path: Path) -> None:
    # One stored number, said to be 4 TB.
    refused(tmp_path, weights | {"layer1.0.conv2.weight": torch.zeros(1).expand(10**6, 10**6)}, "of another shape")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.weight": torch.zeros(8, 4, 3, 3)}, "takes images of 4 channels: only 1 and 3"),
        ({"conv1.weight": torch.zeros(8, 3, 5, 5)}, "first convolution is 5×5"),
        ({"conv1.weight": torch.zeros(128, 3, 3, 3)}, "128 channels wide: only 8 to 64"),
        ({"conv1.weight": torch.zeros(8)}, "begin with one convolution, 'conv1', but has a weight of 8 there"),
    ],
)
def test_stems_that_no_encoder_here_has_are_refused(
    change: Weights, message: str, weights: Weights, tmp_path: Path
) -> None:
    refused(tmp_path, weights | change, message)


def test_a_stem_of_several_layers_is_refused(weights: Weights, tmp_path: Path) -> None:
    weights["conv1.0.weight"] = weights.pop("conv1.weight")
    refused(tmp_path, weights, "stems of several layers cannot be imported")


def test_a_network_that_is_no_resnet_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, nn.Linear(3, 3).state_dict(), r"no residual network among the weights \(weight, bias\)")


def test_two_networks_are_refused_unless_one_follows_the_other(weights: Weights, tmp_path: Path) -> None:
    refused(
        tmp_path, under("left.", weights) | under("right.", weights), "several networks begin with 'left.' and 'right.'"
    )
    assert imported(tmp_path, under("student.", weights) | under("teacher.", weights)).prefix == "student."
    (tmp_path / "e.safetensors").unlink()
    assert imported(tmp_path, under("teacher.", weights)).prefix == "teacher."


def test_a_file_beyond_the_callers_limit_is_refused(weights: Weights, tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="may be read"):
        import_checkpoint(tmp_path / "w.pth", tmp_path / "e.safetensors", facts=FACTS, max_bytes=1000)


def test_an_encoder_file_of_this_program_can_be_imported_for_other_images(tmp_path: Path) -> None:
    untrained_encoder(NARROW, FACTS, 0, tmp_path / "mine.safetensors")
    file, report = import_checkpoint(tmp_path / "mine.safetensors", tmp_path / "e.safetensors", facts=GREY)
    assert (file.channels, file.mean, report.architecture) == (1, GREY.mean, NARROW)


def test_a_report_says_the_same_after_a_journey_as_json(weights: Weights, tmp_path: Path) -> None:
    torch.save(weights | linear("fc") | {"bn1.bias": torch.zeros(3)}, tmp_path / "w.pth")
    report = inspect_checkpoint(tmp_path / "w.pth")
    assert MatchReport.model_validate_json(report.model_dump_json()) == report
    assert "1 of another shape (bn1.bias 3, not 8)" in report.sentence()
    assert "2 of a classifier or head (fc.weight, fc.bias)" in report.sentence()
