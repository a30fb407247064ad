import torch
from torch import nn

from simclr.config import PretrainConfig
from simclr.encoders import build_head


def head_of(layers: int, norm: bool = True) -> nn.Module:
    config = PretrainConfig(projection_layers=layers, projection_width=32, projection_dim=16, projection_norm=norm)
    return build_head(config, 64)


def test_the_usual_projection_head_is_the_papers_with_the_weights_of_its_random_state() -> None:
    torch.manual_seed(0)
    ours = head_of(2)
    torch.manual_seed(0)
    papers = nn.Sequential(nn.Linear(64, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16, bias=False))
    features = torch.randn(8, 64)
    assert torch.equal(ours(features), papers(features))
    assert list(ours.state_dict()) == list(papers.state_dict())


def test_a_projection_head_has_as_many_linear_layers_as_asked() -> None:
    assert list(head_of(0).state_dict()) == []
    features = torch.randn(8, 64)
    assert torch.equal(head_of(0)(features), features)
    for layers in (1, 2, 3, 4):
        linear = [layer for layer in head_of(layers).modules() if isinstance(layer, nn.Linear)]
        assert len(linear) == layers
        assert linear[0].in_features == 64
        assert {layer.out_features for layer in linear[:-1]} <= {32}
        assert head_of(layers)(features).shape == (8, 16)
        norms = [layer for layer in head_of(layers).modules() if isinstance(layer, nn.BatchNorm1d)]
        assert [norm.num_features for norm in norms] == [32] * (layers - 1)


def test_without_norm_the_hidden_layers_have_biases_and_the_last_one_none() -> None:
    for layers in (1, 2, 3, 4):
        for norm in (True, False):
            head = head_of(layers, norm)
            linear = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
            assert [layer.bias is not None for layer in linear] == [not norm] * (layers - 1) + [False]
            assert any(isinstance(layer, nn.BatchNorm1d) for layer in head.modules()) == (norm and layers > 1)
