"""The classifier that is trained along."""

import numpy as np
import torch

from simclr.follow import OnlineProbe

CPU = torch.device("cpu")


def test_images_without_a_label_teach_the_probe_nothing() -> None:
    probe = OnlineProbe(4, 2, 0, CPU)
    before = probe.model[1].weight.detach().clone()
    probe.learn(torch.randn(8, 4), torch.full((8,), -1))
    assert torch.equal(probe.model[1].weight, before)


def test_the_probe_learns_from_the_labels_there_are_and_leaves_the_features_graph_alone() -> None:
    torch.manual_seed(0)
    probe = OnlineProbe(4, 2, 0, CPU)
    classes = torch.arange(200) % 2
    features = (torch.randn(200, 4) + 2 * classes[:, None]).requires_grad_()
    labels = torch.where(torch.arange(200) < 100, classes, -1)
    for _ in range(200):
        probe.learn(features, labels)
    assert features.grad is None
    # Those that it never saw a label of.
    assert probe.accuracy(features.detach()[100:], np.asarray(classes[100:])) > 0.9
