"""Run one recipe of each kind of sHHC and its tables, with tiny settings, from pre-trained encoders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import cli
from tests._helpers import dataset_folders as layouts
from tests._helpers.commands import save_encoders
from tests._helpers.shrink import shrink
from tests.conftest import ROOT
from unlabelled.encoders import SmallAudioEncoder, SmallVideoEncoder

WARM_UP = ROOT / "configs" / "recipes" / "l3_vggsound.yaml"
RECIPES = {path.stem: path for path in sorted((ROOT / "configs" / "recipes").glob("shhc_*.yaml"))}
KINDS = [
    "_kinetics_sound",
    "_kinetics_sound_clips",
    "_table2_sela_audio",
    "_table2_xdc",
    "_table4_gdt",
    "_table5_selavi_euclidean",
    "_table5_selavi_simplex",
    "_table6_hyphc",
    "_table6_l3",
]
SHORT = ["--trainer.max_steps=2", "--trainer.limit_train_batches=2", "--trainer.num_sanity_val_steps=0"]
"""Options for one of two epochs: figures are drawn after the last one."""


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


@pytest.fixture(scope="module")
def roots(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    kinetics = layouts.class_folders(layouts.clips(tiny_root), tmp_path_factory.mktemp("kinetics"))
    return {"datamodules.VGGSound": tiny_root, "datamodules.KineticsSound": kinetics}


def _tiny(path: Path, roots: dict[str, Path], out: Path) -> list[str]:
    return [
        f"--config={path}",
        f"--config={shrink(path, out, 32)}",
        f"--data.init_args.root={roots[_content(path)['data']['class_path']]}",
        "--data.init_args.index_workers=0",
    ]


@pytest.fixture(scope="module")
def warm(roots: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return checkpoints of encoders of frames and of clips."""
    frames = tmp_path_factory.mktemp("frames")
    assert cli.main(["fit", *_tiny(WARM_UP, roots, frames), "--trainer.max_steps=1"]) == 0
    clips = tmp_path_factory.mktemp("clips") / "last.ckpt"
    save_encoders(clips, SmallVideoEncoder(2), SmallAudioEncoder(2))
    return {"frames": frames / "checkpoints" / "last.ckpt", "clips": clips}


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_starts_from_pre_trained_encoders_and_trains(
    kind: str, roots: dict[str, Path], warm: dict[str, Path], tmp_path: Path
) -> None:
    recipe = RECIPES[f"shhc{kind}"]
    start = warm["clips" if kind.endswith("clips") else "frames"]
    options = [*_tiny(recipe, roots, tmp_path), f"--model.init_args.encoder_checkpoint={start}"]
    if _content(recipe)["model"]["class_path"] == "lightning_modules.Pretrained":  # no training
        assert cli.main(["test", *options]) == 0
        return
    assert cli.main(["fit", *options, *SHORT]) == 0
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    before = torch.load(start, weights_only=True)["state_dict"]
    kernels = [
        name for name in state["state_dict"] if name.startswith("encoders.") and before[name].ndim >= 4
    ]
    assert kernels
    moved = [(state["state_dict"][name] - before[name]).abs().max() for name in kernels]
    assert 0 < max(moved) < 0.1  # two steps from the pre-trained encoders
    if "prototypes" in state["state_dict"]:
        assert all(tree is not None for tree in state["hierarchies"])
        assert state["state_dict"]["prototypes"].isfinite().any(dim=(1, 2)).all()


def test_other_recipes_have_the_same_classes() -> None:
    """They differ in numbers or in the manifold."""
    run = {name for kind in KINDS for name in _classes(_content(RECIPES[f"shhc{kind}"]))}
    run |= set(_classes(_content(WARM_UP)))
    others = [path for path in RECIPES.values() if path.stem.removeprefix("shhc") not in KINDS]
    assert len(others) == 7
    elsewhere = {"unlabelled.hierarchy.LocalSearch", "lightning_modules.DeepCluster"}
    for path in others:
        assert set(_classes(_content(path))) - run <= elsewhere


BASELINES = [path for name, path in RECIPES.items() if name.startswith(("shhc_table2_", "shhc_table4_"))]


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: path.stem)
def test_baselines_have_the_input_and_the_optimiser_of_the_other_rows(path: Path) -> None:
    """Compare what section 4.2 of the paper has in common: backbone, input, optimisation."""
    own, common = _content(path), _content(RECIPES["shhc_table5_selavi_simplex"])
    for key in ("pipeline", "batch_size"):
        assert own["data"]["init_args"][key] == common["data"]["init_args"][key]
    for key in ("optimizer", "lr_batch_size", "scheduler", "scheduler_interval", "encoder_checkpoint"):
        assert own["model"]["init_args"][key] == common["model"]["init_args"][key]
    assert own["trainer"]["max_epochs"] == common["trainer"]["max_epochs"]
    encoders = {name for name in _classes(own["model"]) if name.startswith("unlabelled.encoders.")}
    assert encoders <= {"unlabelled.encoders.L3Vision", "unlabelled.encoders.L3Audio"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_heads_and_trees_have_the_same_manifold(recipe: str) -> None:
    """Configurations have it twice; tiny settings would hide different dimensions."""
    content = _content(RECIPES[recipe])
    model = content["model"]["init_args"]
    nodes = _nodes(content["trainer"]["callbacks"])
    embeddings = [node["init_args"] for node in nodes if node["class_path"].endswith("TripletEmbedding")]
    assert len(embeddings) == content["model"]["class_path"].count("SHHC")
    for embedding in embeddings:
        assert embedding["dim"] == model["dim"]
        assert embedding["manifold"] == model["manifold"]


def _classes(content: Any) -> list[str]:
    return [node["class_path"] for node in _nodes(content)]


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Yield all mappings at and below a node that have a class."""
    if isinstance(node, dict):
        if "class_path" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _nodes(each)
