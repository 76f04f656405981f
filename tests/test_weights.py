"""Files in the key layouts of released code start encoders and whole methods, as their own networks would."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18, vgg16
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.models.video import r2plus1d_18

from lightning_modules import EAO, SCE, SSPC
from tests._helpers import released_networks as released
from tests._helpers.tri_modal import TEXT, VIDEO, parts_of_a_method
from unlabelled.encoders import (
    VGG16,
    AudioResNet,
    Edges,
    ImageResNet,
    L3Audio,
    R2Plus1D18,
    ResNet3D,
    SmallAudioEncoder,
    SmallImageEncoder,
    SmallVideoEncoder,
)
from unlabelled.encoders.alexnet import AlexNet
from unlabelled.foreign_files import read_weights
from unlabelled.layouts import names_of, own_name, published_name
from unlabelled.nn.heads import MLP, MultiHead
from unlabelled.weights import load_encoders, load_weights

State = dict[str, Tensor]


def drawn(module: nn.Module) -> nn.Module:
    released.draw(module)
    return module.eval()


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


def image_network() -> nn.Module:
    net = drawn(resnet18(num_classes=128))
    net.fc = nn.Identity()
    return net


def audio_network(layers: list[int]) -> nn.Module:
    net = ResNet(BasicBlock, layers)
    net.conv1, net.fc = nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.Identity()
    return drawn(net)


def video_network() -> nn.Module:
    net = drawn(r2plus1d_18(weights=None))
    net.fc = nn.Identity()
    return net


def moco(net: nn.Module) -> Any:
    state = prefixed("module.encoder_q.", net.state_dict())
    state |= prefixed("module.encoder_k.", drawn(resnet18()).state_dict())
    state |= {"module.encoder_q.fc.0.weight": torch.ones(512, 512), "module.queue": torch.zeros(128, 8)}
    return {"epoch": 200, "arch": "resnet18", "state_dict": state, "optimizer": {"param_groups": []}}


def lightly_by_number(net: nn.Module) -> Any:
    backbone = nn.Sequential(*list(net.children())[:-1])
    return {"state_dict": prefixed("backbone.", backbone.state_dict())}


IMAGE_FILES: dict[str, Callable[[nn.Module], Any]] = {
    "torchvision": lambda net: net.state_dict(),
    "torchvision's references": lambda net: {"model": net.state_dict(), "args": argparse.Namespace(lr=1)},
    "MoCo": moco,
    "eztorch": lambda net: {
        "state_dict": {
            **prefixed("trunk.", net.state_dict()),
            **prefixed("momentum_trunk.", drawn(resnet18()).state_dict()),
            "projector.layers.0.weight": torch.ones(4, 512),
        }
    },
    "solo-learn": lambda net: {"state_dict": prefixed("backbone.", net.state_dict())},
    "solo-learn, early": lambda net: {"state_dict": prefixed("encoder.", net.state_dict())},
    "lightly, by number": lightly_by_number,
    "Simplified DMC": lambda net: prefixed(
        "visual_net.", {**net.state_dict(), "conv1_a.weight": torch.ones(2)}
    ),
    "torch.compile": lambda net: {"model_state_dict": prefixed("_orig_mod.", net.state_dict())},
}


@pytest.mark.parametrize("layout", IMAGE_FILES)
def test_an_image_encoder_starts_from_a_file_of(layout: str, tmp_path: Path) -> None:
    net, encoder = image_network(), ImageResNet(18).eval()
    torch.save(IMAGE_FILES[layout](net), tmp_path / "a.pth")
    described = load_encoders(nn.ModuleDict({"image": encoder}), str(tmp_path / "a.pth"))
    inputs = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(encoder(inputs), net(inputs))
    assert "took 120 of 120: encoders.image (120)" in described[0]


def selavi(video: nn.Module, audio: nn.Module) -> Any:
    state = prefixed("video_network.base.", video.state_dict())
    state |= prefixed("audio_network.base.", audio.state_dict()) | {
        "mlp_v0.block_forward.2.weight": torch.ones(3)
    }
    return {"model": state, "epoch": 200, "args": argparse.Namespace(headcount=10)}


@pytest.mark.parametrize("legacy", [False, True])
def test_encoders_of_video_and_audio_start_from_one_file(legacy: bool, tmp_path: Path) -> None:
    """SeLaVi and GDT name them alike; files of torch before 1.6 are read as well."""
    video, audio = video_network(), audio_network([1, 1, 1, 1])
    torch.save(selavi(video, audio), tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    encoders = nn.ModuleDict({"video": R2Plus1D18(), "audio": AudioResNet(9)}).eval()
    described = load_encoders(encoders, str(tmp_path / "a.pth"))
    assert "layout of SeLaVi and GDT" in described[0]
    assert described[1].endswith("left in the file: mlp_v0 (1)")
    clip, spectrogram = torch.randn(1, 3, 4, 16, 16), torch.randn(1, 1, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(encoders["video"](clip), video(clip))
        torch.testing.assert_close(encoders["audio"](spectrogram), audio(spectrogram))


def released_mlp(in_dim: int, out_dim: int) -> nn.Sequential:
    """Return the head of SeLaVi and projector of GDT, by the numbers of their layers (model.py of both)."""
    norm = [nn.Unflatten(1, (5, 1)), nn.BatchNorm1d(5), nn.Flatten(), nn.ReLU(), nn.Dropout(0.3)]
    net = nn.Sequential(
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(in_dim, 5, bias=False), *norm, nn.Linear(5, out_dim)
    )
    released.draw(net)
    return net.eval()


def small_encoders() -> nn.ModuleDict:
    return nn.ModuleDict({"video": SmallVideoEncoder(1), "audio": SmallAudioEncoder(1)})


def audio_visual_file(path: Path, heads: dict[str, nn.Module]) -> None:
    state: State = {}
    for name, encoder in small_encoders().items():
        state |= prefixed(f"module.{name}_network.base.", encoder.state_dict())
    for name, head in heads.items():
        state |= prefixed(f"module.{name}.block_forward.", head.state_dict())
    torch.save({"model": state, "epoch": 200}, path)


@pytest.mark.parametrize("numbers", [[""], ["0", "1", "2"]])
def test_selavis_heads_are_taken(numbers: list[str], tmp_path: Path) -> None:
    nets = {f"mlp_{letter}{number}": released_mlp(8, 4) for letter in "va" for number in numbers}
    audio_visual_file(tmp_path / "a.pth", dict(nets))
    encoders = small_encoders()
    heads = {name: MultiHead(8, 4, len(numbers), hidden_dim=5).eval() for name in encoders}
    method = nn.ModuleDict({"encoders": encoders, "heads": nn.ModuleDict(heads)})
    described = "\n".join(load_weights(method, encoders, str(tmp_path / "a.pth")))
    assert "layout of SeLaVi and GDT" in described
    assert "heads (14)" in described
    assert "initial weights" not in described
    assert "left" not in described
    features = torch.randn(6, 8)
    with torch.no_grad():
        for name, head in heads.items():
            expected = [nets[f"mlp_{name[0]}{number}"](features) for number in numbers]
            torch.testing.assert_close(head(features), torch.stack(expected, 1))
    lines = load_encoders(small_encoders(), str(tmp_path / "a.pth"))
    assert lines[-1].endswith("left in the file: mlp_v (7), mlp_a (7)")


def test_gdts_projectors_are_taken(tmp_path: Path) -> None:
    nets = {f"mlp_{letter}": released_mlp(8, 4) for letter in "va"}
    audio_visual_file(tmp_path / "a.pth", dict(nets))
    encoders = small_encoders()
    projectors = {name: MLP(8, 5, 4, dropout=0.3).eval() for name in encoders}
    method = nn.ModuleDict({"encoders": encoders, "projectors": nn.ModuleDict(projectors)})
    described = "\n".join(load_weights(method, encoders, str(tmp_path / "a.pth")))
    assert "layout of GDT" in described
    assert "initial weights" not in described
    features = torch.randn(6, 8)
    with torch.no_grad():
        for name, projector in projectors.items():
            torch.testing.assert_close(projector(features), nets[f"mlp_{name[0]}"](features))


def test_each_modality_has_its_own_file(tmp_path: Path) -> None:
    """XDC releases a network of video alone, with torchvision's names."""
    video, encoders = video_network(), nn.ModuleDict({"video": R2Plus1D18(), "audio": AudioResNet(18)}).eval()
    torch.save(video.state_dict(), tmp_path / "xdc.pth")
    before = {name: value.clone() for name, value in encoders["audio"].state_dict().items()}
    with pytest.raises(
        ValueError, match=r"no weight of the file fits: it has layer2 \(.*expected weights such as"
    ):
        load_encoders(encoders, str(tmp_path / "xdc.pth"))
    load_encoders(encoders, {"video": str(tmp_path / "xdc.pth")})
    clip = torch.randn(1, 3, 4, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(encoders["video"](clip), video(clip))
    assert all(torch.equal(value, before[name]) for name, value in encoders["audio"].state_dict().items())
    audio = audio_network([2, 2, 2, 2])
    torch.save(
        prefixed("audio_net.", {**renamed_first(audio), "conv1.weight": torch.ones(64, 3, 7, 7)}),
        tmp_path / "d",
    )
    load_encoders(encoders, {"audio": str(tmp_path / "d")})
    spectrogram = torch.randn(1, 1, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(encoders["audio"](spectrogram), audio(spectrogram))
    with pytest.raises(ValueError, match="there is no encoder of 'image'; name video or audio"):
        load_encoders(encoders, {"image": str(tmp_path / "xdc.pth")})


def renamed_first(audio: nn.Module) -> State:
    state = audio.state_dict()
    return {
        **{name: value for name, value in state.items() if name != "conv1.weight"},
        "conv1_a.weight": state["conv1.weight"],
    }


@pytest.mark.parametrize("depth", [18, 50])
def test_the_slow_pathway_starts_from_pytorchvideo_and_eztorch(depth: int, tmp_path: Path) -> None:
    net, encoder = drawn(released.slow_resnet(depth)), ResNet3D(depth)
    state = net.state_dict()
    torch.save({"state_dict": prefixed("trunk.model.", state)}, tmp_path / "a.ckpt")
    load_encoders(nn.ModuleDict({"video": encoder}), str(tmp_path / "a.ckpt"))
    own, letter = encoder.state_dict(), "c" if depth == 50 else "b"
    assert torch.equal(own["trunk.0.0.weight"], state["blocks.0.conv.weight"])
    assert torch.equal(
        own["trunk.5.1.branch.0.1.running_var"], state["blocks.3.res_blocks.1.branch2.norm_a.running_var"]
    )
    assert torch.equal(own["trunk.6.0.shortcut.1.bias"], state["blocks.4.res_blocks.0.branch1_norm.bias"])
    last = f"trunk.6.1.branch.{2 * 'abc'.index(letter)}.0.weight"
    assert torch.equal(own[last], state[f"blocks.4.res_blocks.1.branch2.conv_{letter}.weight"])


def test_vgg_starts_from_torchvision(tmp_path: Path) -> None:
    with torch.device("meta"):
        keys = [name for name in vgg16().state_dict() if name.startswith("features.")]
        names = names_of(VGG16())
        own = set(VGG16().state_dict())
    assert {own_name(key, names) for key in keys} == own


def test_deepclusters_names_of_alexnet() -> None:
    with torch.device("meta"):
        encoder = Edges(AlexNet())
        names = names_of(encoder)
        published = {published_name(key, names) for key in encoder.state_dict()}
    expected = {"features.0.weight", "features.1.running_mean", "classifier.1.weight", "classifier.4.bias"}
    assert expected < published
    assert not any(name.startswith("encoder.") for name in published)


def test_the_parts_are_those_of_the_released_models() -> None:
    """Their numbers of parameters are those of the released code's own models."""
    with torch.device("meta"):
        widths, blocks = [128, 256, 512, 1024, 2048, 4096], [2, 2, 1, 1, 1, 1]
        net = released.everything_at_once(
            {"text": 300, "video": 4096}, 4096, 4096, 6144, widths, blocks, 128, 40
        )
        assert sum(value.numel() for value in net.parameters()) == 689_371_138
        released.with_anchors(net, 4096, 4096, 6144, 64)
        assert sum(value.numel() for value in net.parameters()) == 892_771_074


@pytest.mark.parametrize("cls", [EAO, SSPC])
def test_a_whole_model_starts_from_eaos_and_sspcs_files(cls: type[EAO] | type[SSPC], tmp_path: Path) -> None:
    options: dict[str, Any] = {} if cls is EAO else {"num_anchors": 6, "queue_size": 24}
    module = cls(**parts_of_a_method(audio=True), **options)
    dims = module.encoders["audio"].cnn
    stem, widths = dims.stem[0].out_channels, [block.branch[0].out_channels for block in dims.trunk]
    hidden = next(iter(module.transformers.values())).blocks[0].mlp[0].out_features
    net = released.everything_at_once(
        {"text": TEXT, "video": VIDEO},
        module.dim,
        hidden,
        module.projection_dim,
        widths,
        [1] * len(widths),
        stem,
        40,
    )
    if cls is SSPC:
        net = released.with_anchors(net, module.dim, hidden, module.projection_dim, 6)
    drawn(net)
    state = net.state_dict()
    torch.save(
        {"arch": cls.__name__, "state_dict": prefixed("module.", state), "config": {"n_gpu": 4}},
        tmp_path / "a",
    )
    described = "\n".join(load_weights(module, module.encoders, str(tmp_path / "a")))
    own = {name: value for name, value in module.state_dict().items() if not name.startswith("queues.")}
    assert f"layout of EAO and SSPC: took {len(own)} of {len(own)}" in described
    assert "initial weights" not in described
    assert "did not fit" not in described
    pairs = {
        "encoders.video.projection.linear.weight": "video_token_proj.fc.weight",
        "encoders.text.projection.gate.bias": "text_token_proj.cg.fc.bias",
        "encoders.audio.norm.weight": "audio_norm_layer.weight",
        "projections.audio.linear.weight": "audio_proj.fc.weight",
        "projections.text.gate.weight": "text_proj.cg.fc.weight",
        "masking_token.token": "fusion.masking_token",
        "encoders.audio.cnn.stem.1.running_mean": "davenet.bn1.running_mean",
        "encoders.audio.cnn.trunk.0.branch.4.weight": "davenet.layer1.0.bn2.weight",
        "encoders.audio.cnn.trunk.1.shortcut.1.bias": "davenet.layer2.0.downsample.1.bias",
    }
    transformers = (
        {"shared": "fusion"} if cls is EAO else {name: f"fusion_{name}" for name in module.encoders}
    )
    for ours, theirs in transformers.items():
        block, other = f"transformers.{ours}.blocks.0", f"{theirs}.blocks.0"
        pairs |= {
            f"{block}.attention_norm.weight": f"{other}.norm1.weight",
            f"{block}.mlp_norm.bias": f"{other}.norm2.bias",
            f"{block}.attention.inputs.weight": f"{other}.attn.qkv.weight",
            f"{block}.attention.output.bias": f"{other}.attn.proj.bias",
            f"{block}.mlp.0.weight": f"{other}.mlp.fc1.weight",
            f"{block}.mlp.2.weight": f"{other}.mlp.fc2.weight",
        }
    if cls is SSPC:
        pairs |= {
            f"anchors.inputs.{name}.weight": f"cluster_{name}.anc_linear.weight" for name in module.encoders
        }
        pairs["anchors.projected.text.weight"] = "trans_cluster_text.anc_linear.weight"
    for ours, theirs in pairs.items():
        assert torch.equal(own[ours], state[theirs]), ours
    kernels = state["davenet.layer1.0.conv1.weight"]  # (out, in, 1, 9): over one row
    assert torch.equal(own["encoders.audio.cnn.trunk.0.branch.0.weight"], kernels.squeeze(2))
    assert torch.equal(own["encoders.audio.cnn.stem.0.weight"], state["davenet.conv1.weight"].squeeze(1))


def test_l3s_convolutions_start_from_torchopenl3(tmp_path: Path) -> None:
    """It lacks our last BatchNorm, so that the encoder alone is refused, and the rest is a start."""
    state, encoder = drawn(released.torchopenl3()).state_dict(), nn.ModuleDict({"audio": L3Audio()})
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"encoders\.audio\.trunk\.25\.weight and 3 more do not fit: nothing there"
    ):
        load_encoders(encoder, str(tmp_path / "a.pth"))
    described = "\n".join(
        load_weights(nn.ModuleDict({"encoders": encoder}), encoder, str(tmp_path / "a.pth"))
    )
    assert "not in the file, initial weights: encoders.audio (4)" in described
    assert "left in the file: batch_normalization_1 (5)" in described
    own = encoder["audio"].state_dict()
    assert torch.equal(own["trunk.24.bias"], state["audio_embedding_layer.bias"])
    assert torch.equal(own["trunk.8.running_var"], state["batch_normalization_4.running_var"])


def sce(**options: Any) -> SCE:
    def head(dim: int) -> MLP:
        return MLP(dim, hidden_dim=8, out_dim=4)

    optimizer: Any = torch.optim.SGD
    return SCE(
        encoder=SmallImageEncoder(2),
        optimizer=optimizer,
        projector=head,
        predictor=head,
        queue_size=32,
        **options,
    )


def test_a_whole_method_starts_from_its_own_checkpoint_but_its_queue(tmp_path: Path) -> None:
    """Its target network becomes a copy of the online network at the start of the run."""
    stored, method = sce(), sce()
    torch.save({"state_dict": stored.state_dict(), "unlabelled": {"method": "SCE"}}, tmp_path / "a.ckpt")
    queue = method.queues["image"].rows.clone()
    described = load_weights(method, method.encoders, str(tmp_path / "a.ckpt"))
    for name, value in method.state_dict().items():
        same = torch.equal(value, stored.state_dict()[name])
        assert same or name.startswith(("queues.", "target.")), name
    assert torch.equal(method.queues["image"].rows, queue)
    assert "initial weights" not in "\n".join(described)
    assert described[-1].endswith(", queues (2)")


def test_eztorchs_heads_are_taken(tmp_path: Path) -> None:
    stored, method = sce(), sce()
    state = prefixed("projector.layers.", stored.projector.state_dict())
    state |= prefixed("predictor.layers.", stored.predictor.state_dict())
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    described = load_weights(method, method.encoders, str(tmp_path / "a.ckpt"))
    assert "layout of eztorch" in described[0]
    for name in ("projector", "predictor"):
        for key, value in getattr(stored, name).state_dict().items():
            assert torch.equal(value, getattr(method, name).state_dict()[key])


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = sce().state_dict()
    state["projector.0.weight"] = torch.zeros(3, 3)
    del state["predictor.3.bias"]
    torch.save({"state_dict": {**state, "extra.weight": torch.zeros(1)}}, tmp_path / "a.ckpt")
    method = sce()
    described = "\n".join(load_weights(method, method.encoders, str(tmp_path / "a.ckpt")))
    assert "did not fit: projector.0.weight ((3, 3) there, (8, 16) here)" in described
    assert "not in the file, initial weights: predictor (1)" in described
    assert "extra (1)" in described


def images() -> nn.ModuleDict:
    return nn.ModuleDict({"image": SmallImageEncoder(2)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"state_dict": {"a.b": torch.zeros(2)}},
            r"no weight of the file fits: it has a \(1\); expected weights such",
        ),
        ({"epoch": 1}, "has no tensors by name; give a file with a state_dict"),
        (
            {
                "teacher": images().state_dict(),
                "b": {"c": {"d": torch.zeros(1)}},
                "optimizer": {"state": {0: {}}},
            },
            "has no tensors by name; save one of its entries 'teacher', 'b' as a file of its own",
        ),
        (
            images().state_dict() | {"image.trunk.0.0.weight": torch.zeros(4, 3, 3, 3)},
            "no weight of the file fits",
        ),
        (
            SmallImageEncoder(4).state_dict(),
            r"trunk\.0\.0\.weight and 19 more do not fit: \(4, 3, 3, 3\) there",
        ),
        (
            images()["image"].state_dict() | {"trunk.0.0.weight": torch.zeros(2, 4, 3, 3)},
            r"trunk\.0\.0\.weight does not fit: \(2, 4, 3, 3\) there, \(2, 3, 3, 3\) here",
        ),
        (SmallAudioEncoder(2).state_dict(), "do not fit|no weight of the file fits"),
    ],
)
def test_one_line_where_nothing_or_too_little_fits(content: Any, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=message) as error:
        load_encoders(images(), str(tmp_path / "a.pth"))
    assert "\n" not in str(error.value)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = SmallImageEncoder(2).state_dict()
    state["trunk.0.1.bias"][0] = torch.nan
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"encoders\.image\.trunk\.0\.1\.bias is not finite: its run has diverged"
    ):
        load_encoders(images(), str(tmp_path / "a.pth"))


class _Program:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_beside_the_weights_are_not_created(zipped: bool, tmp_path: Path) -> None:
    path, encoder = tmp_path / "a.pth", SmallImageEncoder(2)
    content = {"state_dict": encoder.state_dict(), "program": _Program(tmp_path / "run")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert read_weights(path).keys() == encoder.state_dict().keys()
    assert not (tmp_path / "run").exists()
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        read_weights(path)
    with pytest.raises(FileNotFoundError, match=r"weights: there is no file .*none"):
        read_weights(tmp_path / "none")
