"""Networks of torchvision, timm and transformers by name, as encoders."""

from __future__ import annotations

import sys
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn
from torchvision import models

from tests._helpers.released_networks import draw
from unlabelled.encoders import Encoder, HuggingFace, Timm, Torchvision
from unlabelled.weights import load_encoders


def maps_and_features(encoder: Encoder, inputs: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        maps, features = encoder.eval().feature_maps(inputs), encoder(inputs)
    assert features.shape == (len(inputs), encoder.dim)
    torch.testing.assert_close(features, maps.flatten(2).mean(2))
    return maps, features


def all_have_gradients(encoder: Encoder, inputs: Tensor) -> bool:
    """Return whether each trained parameter has a gradient, which DDP expects."""
    encoder.train()(inputs).sum().backward()
    return all(each.grad is not None for each in encoder.parameters() if each.requires_grad)


def test_a_network_of_torchvision_is_that_network(tmp_path: Path) -> None:
    net, name = models.shufflenet_v2_x0_5(weights=None), "shufflenet_v2_x0_5"
    draw(net)
    torch.save(net.state_dict(), tmp_path / "a.pth")
    encoder = Torchvision(name, weights=str(tmp_path / "a.pth"))
    net.eval().fc = nn.Identity()
    inputs = torch.randn(2, 3, 64, 64)
    maps, features = maps_and_features(encoder, inputs)
    assert maps.shape == (2, 1024, 2, 2)
    torch.testing.assert_close(features, net(inputs).detach())
    assert encoder.modality == "image"
    assert all_have_gradients(encoder, inputs)
    fresh = Torchvision(name)
    load_encoders(nn.ModuleDict({"image": fresh}), str(tmp_path / "a.pth"))
    torch.save(
        {"state_dict": {f"encoders.image.{k}": v for k, v in encoder.state_dict().items()}}, tmp_path / "b"
    )
    load_encoders(nn.ModuleDict({"image": fresh}), str(tmp_path / "b"))
    torch.testing.assert_close(fresh.state_dict(), encoder.state_dict())


def test_networks_of_videos_and_of_tokens() -> None:
    with torch.device("meta"):
        encoder = Torchvision("mc3_18")
        assert (encoder.modality, encoder.dim) == ("video", 512)
        assert encoder.feature_maps(torch.zeros(2, 3, 8, 64, 64)).shape == (2, 512, 8, 4, 4)
        tokens = Torchvision("mvit_v2_s")
        assert tokens.dim == 768
        maps = tokens.eval().feature_maps(torch.zeros(1, 3, 16, 224, 224))
        assert maps.shape == (1, 768, 8 * 7 * 7)  # without the class token
        with pytest.raises(
            ValueError, match=r"is made for 16x224x224 and fails on 8x40x40 \(RuntimeError: "
        ) as error:
            tokens.feature_maps(torch.zeros(1, 3, 8, 40, 40))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"mvit_v2_s' cannot be made: TypeError: .*; change its options"):
        Torchvision("mvit_v2_s", options={"spatial_size": [40, 40]})


def test_a_size_of_images_that_the_network_does_not_take() -> None:
    options = {"image_size": 32}
    with torch.device("meta"):
        encoder = Torchvision("vit_b_16", options=options)
        assert encoder.feature_maps(torch.zeros(1, 3, 32, 32)).shape == (1, 768, 2, 2)
        with pytest.raises(
            ValueError,
            match=r"made for 32x32 and fails on 48x48 .* or for vit_\* give options such as \{image_size",
        ):
            encoder(torch.zeros(1, 3, 48, 48))


def test_wrong_names_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ValueError, match=r"Torchvision: the library has no network 'resnet81'; did you mean resnet18"
    ):
        Torchvision("resnet81")
    with pytest.raises(ValueError, match=r"squeezenet1_1 has no maps that are pooled before its classifier"):
        Torchvision("squeezenet1_1")

    def offline(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(
        ValueError, match=r"URLError: .*no route to host.*cannot be downloaded, give the path of a file"
    ) as error:
        Torchvision("resnet18", weights="DEFAULT")
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match=r"Torchvision: there is no file 'none\.pth'"):
        Torchvision("shufflenet_v2_x0_5", weights="none.pth")


@pytest.mark.parametrize(("cls", "package"), [(Timm, "timm"), (HuggingFace, "transformers")])
def test_a_library_that_is_not_installed_is_named(
    cls: type[Encoder], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ValueError, match=rf"requires the package {package}, which is not installed: pip install"
    ):
        cls("resnet18")


def test_yaml_names_a_network() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--it", type=Encoder)
    spec = {"class_path": "unlabelled.encoders.Torchvision", "init_args": {"name": "shufflenet_v2_x0_5"}}
    encoder = parser.instantiate(parser.parse_object({"it": spec})).it
    assert isinstance(encoder, Torchvision)


@pytest.mark.parametrize(
    ("name", "options", "maps"),
    [
        ("resnet10t", {}, (512, 2, 2)),
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 1}, (192, 4, 4)),
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 1, "global_pool": "token"}, (192, 1)),
        (
            "swin_tiny_patch4_window7_224",
            {"img_size": 64, "depths": (1, 1, 1, 1), "window_size": 2},
            (768, 2, 2),
        ),
        ("convnext_atto", {}, (320, 2, 2)),
    ],
)
def test_networks_of_timm(name: str, options: dict[str, Any], maps: tuple[int, ...], tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    encoder, inputs = Timm(name, options=options), torch.randn(2, 3, 64, 64)
    draw(encoder)
    assert maps_and_features(encoder, inputs)[0].shape == (2, *maps)
    assert all_have_gradients(encoder, inputs)
    net = timm.create_model(name, **options)  # with its classifier and pooling
    torch.save(net.state_dict(), tmp_path / "a.pth")
    started = Timm(name, weights=str(tmp_path / "a.pth"), options=options)
    stored, prefix = net.state_dict(), "network."
    assert all(torch.equal(v, stored[k.removeprefix(prefix)]) for k, v in started.state_dict().items())
    if name.startswith(("resnet", "swin")):  # the features of timm's own pooling
        pooled = net.eval().forward_head(net.forward_features(inputs), pre_logits=True)
        torch.testing.assert_close(maps_and_features(started, inputs)[1], pooled.detach())


def test_timm_reads_safetensors(tmp_path: Path) -> None:
    timm, save = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch").save_file
    net = timm.create_model("resnet10t")
    save(net.state_dict(), tmp_path / "model.safetensors")
    started = Timm("resnet10t", weights=str(tmp_path / "model.safetensors"))
    assert torch.equal(started.network.layer1[0].conv1.weight, net.layer1[0].conv1.weight)
    with pytest.raises(ValueError, match="the library has no network 'resnet10tt'; did you mean resnet10t"):
        Timm("resnet10tt")
    with pytest.raises(
        ValueError, match="weights='imagenet'; expected pretrained, the path of a file, or null"
    ):
        Timm("resnet10t", weights="imagenet")
    with pytest.raises(ValueError, match=r"'resnet10t' cannot be made: TypeError: .*no_such_option"):
        Timm("resnet10t", options={"no_such_option": 1})
    vit = Timm("vit_tiny_patch16_224", options={"depth": 1})
    with pytest.raises(
        ValueError, match=r"Timm: .* made for 224x224 and fails on 32x32 .* options such as \{img_size: 96\}"
    ):
        vit(torch.zeros(1, 3, 32, 32))


SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.mark.parametrize(
    ("config", "options", "modality", "inputs", "maps"),
    [
        ("ViTConfig", {"image_size": 32, **SMALL}, "image", (2, 3, 32, 32), (16, 2, 2)),
        (
            "Dinov2WithRegistersConfig",
            {"image_size": 32, "num_register_tokens": 3, "mlp_ratio": 1, **SMALL},
            "image",
            (2, 3, 32, 32),
            (16, 2, 2),
        ),
        (
            "ResNetConfig",
            {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
            "image",
            (2, 3, 32, 32),
            (16, 4, 4),
        ),
        (
            "VideoMAEConfig",
            {"image_size": 32, "num_frames": 4, **SMALL},
            "video",
            (2, 3, 4, 32, 32),
            (16, 8),
        ),
        ("ASTConfig", {"num_mel_bins": 32, "max_length": 64, **SMALL}, "audio", (2, 1, 32, 64), (16, 2 * 5)),
    ],
)
def test_networks_of_transformers(
    config: str, options: dict[str, Any], modality: Any, inputs: Any, maps: Any, tmp_path: Path
) -> None:
    library = pytest.importorskip("transformers")
    net = library.AutoModel.from_config(getattr(library, config)(**options))
    net.save_pretrained(tmp_path / "net")
    encoder, values = HuggingFace(str(tmp_path / "net"), modality), torch.randn(*inputs)
    stored = net.state_dict()
    assert all(torch.equal(v, stored[k.removeprefix("network.")]) for k, v in encoder.state_dict().items())
    assert maps_and_features(encoder, values)[0].shape == (inputs[0], *maps)
    assert all_have_gradients(encoder, values)
    other = HuggingFace(str(tmp_path / "net"), modality, pretrained=False)
    assert any(not torch.equal(v, stored[k.removeprefix("network.")]) for k, v in other.state_dict().items())


def test_a_folder_without_a_network_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ValueError, match=r"HuggingFace: .* cannot be made: ") as error:
        HuggingFace(str(tmp_path))
    assert "\n" not in str(error.value)
