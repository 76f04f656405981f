"""Checkpoints of version 0.1.0, which named classes otherwise, still load.

``tests/checkpoints/v0.1.0.json`` describes what the demos' ``last.ckpt`` held then: hyper-parameters, names
and shapes of the weights, and the keys under which callbacks keep their state.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
import lightning_modules
from tests.conftest import ROOT
from unlabelled.renamed import CLASSES
from unlabelled.weights import load_encoders

STORED: dict[str, dict[str, Any]] = json.loads((ROOT / "tests" / "checkpoints" / "v0.1.0.json").read_text())


def checkpoint(demo: str, folder: Path) -> str:
    """Write a checkpoint as version 0.1.0 did, with ones for all weights."""
    stored = STORED[demo]
    heads = next((shape for name, shape in stored["state_dict"].items() if name.startswith("heads.")), [1])[0]
    content = {
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {name: torch.ones(shape) for name, shape in stored["state_dict"].items()},
        "hparams_name": stored["hparams_name"],
        "hyper_parameters": stored["hyper_parameters"],
        "unlabelled": {"method": stored["method"]},
        "pseudo_labels": torch.zeros(0, heads, dtype=torch.int64),
        "renewals": 0,
        "hierarchies": [],
    }
    path = folder / "last.ckpt"
    torch.save(content, path)
    return str(path)


class Built(cli.CLI):
    """The objects of a configuration, which are not run."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


# Options with which a demo has the encoders of version 0.1.0.
THEN = {"dmc": ["--model.init_args.visual_encoder.init_args.context=0"]}


def built(demo: str, folder: Path, *options: str) -> Built:
    """Build a demo."""
    config = ROOT / "configs" / "demo" / f"{demo}.yaml"
    if "  encoder_checkpoint: runs/" in config.read_text():  # which is looked for
        options = (*options, "--model.init_args.encoder_checkpoint=null")
    return Built(
        [
            "fit",
            f"--config={config}",
            f"--trainer.default_root_dir={folder}",
            "--trainer.logger=false",
            *options,
        ]
    )


def test_all_families_are_among_them() -> None:
    assert {"selavi", "sce", "sspc", "dmc", "shhc"} <= set(STORED)
    stored = json.dumps(STORED)
    assert any(f'"{old}"' in stored for old in CLASSES), "no renamed class is tested"


@pytest.mark.parametrize(
    "demo", sorted(set(STORED) - {"recognition"})
)  # a classifier needs its data for that
def test_the_method_is_loaded_with_its_weights(demo: str, tmp_path: Path) -> None:
    cls = getattr(lightning_modules, STORED[demo]["method"])
    method = cls.load_from_checkpoint(checkpoint(demo, tmp_path))
    state = method.state_dict()
    assert {name: list(value.shape) for name, value in state.items()} == STORED[demo]["state_dict"]
    assert all(bool((value == 1).all()) for value in state.values())


@pytest.mark.parametrize("demo", sorted(STORED))
def test_its_encoders_can_be_taken_over(demo: str, tmp_path: Path) -> None:
    encoders = built(demo, tmp_path, *THEN.get(demo, [])).model.encoders
    load_encoders(encoders, checkpoint(demo, tmp_path))
    assert all(bool((value == 1).all()) for value in encoders.state_dict().values())


@pytest.mark.parametrize("demo", sorted(STORED))
def test_callbacks_find_their_state(demo: str, tmp_path: Path) -> None:
    trainer: Any = built(demo, tmp_path).trainer
    keys = {callback.state_key for callback in trainer.callbacks}
    assert set(STORED[demo]["callbacks"]) <= keys
