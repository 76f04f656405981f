from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from unlabelled.commands.runs.batch_change import batch_change

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "configs/recipes/moco_imagenet.yaml"
ONE_GPU = ROOT / "configs/trainer/one_gpu.yaml"


def options(*files: Path, **data: Any) -> dict[str, Any]:
    """Return the options of files that are laid over each other, as the parser merges them."""
    merged: dict[str, Any] = {}
    for file in files:
        for key, value in yaml.safe_load(file.read_text()).items():
            merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    merged["data"]["init_args"].update(data)
    return merged


def test_one_gpu_over_a_recipe_of_eight() -> None:
    files = [str(RECIPE), str(ONE_GPU)]
    line = batch_change(files, options(RECIPE, ONE_GPU))
    assert line == (
        "a step has 64 samples instead of 512; the learning rate is scaled; BatchNorm is over 64 samples "
        "instead of 512; the queue holds the keys of 8 times as many steps. As in the recipe: "
        "--data.init_args.batch_size 512; with less memory, except for BatchNorm and losses that compare "
        "samples: --trainer.accumulate_grad_batches 8"
    )
    assert batch_change(files, options(RECIPE, ONE_GPU, batch_size=512)) is None


def test_accumulated_batches_keep_the_step_but_not_batchnorm() -> None:
    merged = options(RECIPE, ONE_GPU)
    merged["trainer"]["accumulate_grad_batches"] = 8
    line = batch_change([str(RECIPE)], merged)
    assert line is not None
    assert line.startswith("BatchNorm is over 64 samples instead of 512. ")


def test_batchnorm_of_each_gpu_is_kept_by_accumulation() -> None:
    recipe = ROOT / "configs/protocols/finetune_ssv2.yaml"
    merged = options(recipe, ONE_GPU)
    line = batch_change([str(recipe)], merged)
    assert line is not None
    assert line.endswith(
        "As in the recipe, except for losses that compare samples: --trainer.accumulate_grad_batches 8; "
        "except for BatchNorm: --data.init_args.batch_size 64"
    )
    merged["trainer"]["accumulate_grad_batches"] = 8
    assert batch_change([str(recipe)], merged) is None
    line = batch_change([str(recipe)], options(recipe, ONE_GPU, batch_size=64))
    assert line is not None
    assert line.startswith("BatchNorm is over 64 samples instead of 8. ")


def test_nothing_to_state() -> None:
    assert batch_change([str(RECIPE)], options(RECIPE)) is None
    assert batch_change([], options(RECIPE)) is None
    assert batch_change([str(ROOT / "missing.yaml")], options(RECIPE)) is None
    unknown = options(RECIPE, ONE_GPU)
    unknown["trainer"]["devices"] = "auto"
    assert batch_change([str(RECIPE)], unknown) is None
