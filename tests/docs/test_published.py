"""The page of published numbers: up to date, complete, and of commands that the configurations can take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

import unlabelled.encoders
from tests._helpers.pages import commands, read
from tests._helpers.parsing import ROOT, parse
from tools.published.commands import row_commands, table_commands
from tools.published.cost import content, evaluation_days, row_days, training_days
from tools.published.page import PAGE, render
from tools.published.papers import PAPERS, read_paper
from tools.published.tables import FOLDER, Evaluation, Run

TABLES = [table for name in PAPERS for table in read_paper(name).tables]
NETWORKS = {name: each for name, each in content()["networks"].items() if "encoder" in each}


def test_the_page_is_up_to_date() -> None:
    assert read(PAGE) == render(), "run python -m tools.published"


def test_rows_have_a_number_for_each_score() -> None:
    for table in TABLES:
        assert {len(row.published) for row in table.rows} == {len(table.scores)}, table.name


def test_every_recipe_has_a_row_or_a_reason() -> None:
    recipes = {path.stem for path in (ROOT / "configs" / "recipes").glob("*.yaml")}
    trained = {Path(words[4]).stem for table in TABLES for row in table.rows for words in row_commands(row)}
    others = [name for entry in yaml.safe_load(read(FOLDER / "others.yaml")) for name in entry["recipes"]]
    assert len(others) == len(set(others))
    assert trained.isdisjoint(others)
    assert not recipes - trained - set(others), "each needs a row, or a reason in docs/published/others.yaml"


def test_every_sweep_with_published_numbers_is_a_table() -> None:
    sweeps = {path for path in (ROOT / "configs" / "sweeps").glob("*.yaml") if "\npublished:" in read(path)}
    lines = [table.command.split() for table in TABLES if table.command and " sweep " in table.command]
    assert len(sweeps) > 10
    assert {ROOT / words[4] for words in lines} == sweeps


def cli_commands() -> list[list[str]]:
    """Return the commands of ``cli.py`` on the page, without duplicates."""
    found = [tuple(words[2:]) for words in commands(read(PAGE)) if words[:2] == ["python", "cli.py"]]
    return [list(words) for words in dict.fromkeys(found)]


def given(words: list[str]) -> dict[str, str]:
    """Return the options ``--key=value`` of a command."""
    return {key[2:]: value for key, _, value in (word.partition("=") for word in words) if value}


@pytest.mark.filterwarnings("ignore:LightningCLI's args")
def test_options_are_those_of_the_configurations() -> None:
    """Those that are no simple value of a key of the file are parsed, once for each set of options."""
    found, parsed = cli_commands(), dict[str, dict[str, str]]()
    assert len(found) > 100
    for words in found:
        for key, value in given(words).items():
            if not is_simple(value) or not has(yaml.safe_load(read(ROOT / words[2])), key):
                parsed.setdefault(words[2], {})[key] = value
    assert parsed
    once = {tuple(options.items()): (path, options) for path, options in parsed.items()}
    for path, options in once.values():
        config = parse("test", "--config", path, *(f"--{key}={value}" for key, value in options.items()))
        assert all(config.get(key) is not None for key in options)


def is_simple(value: str) -> bool:
    """Return whether an option is a number or a path."""
    return re.fullmatch(r"[\w./-]+", value) is not None and not value.startswith("unlabelled.")


def has(content: Any, key: str) -> bool:
    """Return whether a configuration has a key such as ``model.init_args.num_clusters``."""
    for part in key.split("."):
        if part not in content:
            return False
        content = content[part]
    return True


def test_a_table_lists_each_command_once() -> None:
    (table,) = (each for each in TABLES if each.caption.startswith("ImageNet, linear evaluation"))
    lines = [line for line in table_commands(table) if not line.startswith("#")]
    assert len(lines) == len(set(lines)) == 12
    name = "linear_imagenet_sce_imagenet_lars_100"
    assert lines[:3] == [
        "python cli.py fit --config configs/recipes/sce_imagenet_lars.yaml --run sce_imagenet_lars_100"
        " --trainer.max_epochs=100 --model.init_args.optimizer.init_args.lr=0.5",
        f"python cli.py fit --config configs/protocols/linear_imagenet.yaml --run {name}"
        " --model.init_args.encoder_checkpoint=runs/sce_imagenet_lars_100/checkpoints/last.ckpt",
        f"python cli.py test --config configs/protocols/linear_imagenet.yaml --run {name} --ckpt_path last",
    ]


def test_what_a_run_starts_from_comes_first() -> None:
    (table,) = (each for each in TABLES if each.name == "Table 2" and each.caption.endswith("Sound"))
    (row,) = (each for each in table.rows if each.name == "sHHC, both, 100 clusters")
    names = [Path(words[4]).stem for words in row_commands(row)]
    assert names == ["l3_vggsound", "shhc_vggsound", "shhc_kinetics_sound", "shhc_kinetics_sound"]


@pytest.mark.parametrize("name", NETWORKS)
def test_multiply_adds_of_a_network(name: str) -> None:
    network = NETWORKS[name]
    with torch.device("meta"):
        encoder = getattr(unlabelled.encoders, network["encoder"])(**network["arguments"]).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            encoder(torch.empty(1, *network["shape"]))
    assert counter.get_total_flops() / 2e9 == pytest.approx(network["gmacs"], abs=5e-4)


PER_DAY = 312e12 * 0.2 * 86400


def test_the_cost_of_a_training() -> None:
    """SCE on ImageNet-100: 200 epochs, one view forward and backward, one by the target network."""
    run = Run("sce_imagenet100", (), "sce_imagenet100")
    assert training_days(run) == pytest.approx(200 * 128_000 * 8 * 4.087e9 / PER_DAY)
    linear = evaluation_days(run, Evaluation("linear_imagenet100", ()))
    assert linear == pytest.approx(100 * 128_000 * 2 * 4.087e9 / PER_DAY)
    assert evaluation_days(run, Evaluation("test", ())) == 0


def test_the_cost_follows_epochs_and_what_a_run_starts_from() -> None:
    short = Run("sce_imagenet_lars", ("--trainer.max_epochs=100",), "short")
    assert training_days(short) == pytest.approx(training_days(Run("sce_imagenet_lars", (), "long")) / 2)
    clips = Run("selavi_ave", (), "selavi_ave")
    alone = 200 * 3_328 * 8 * (76.81e9 + 0.903e9) / PER_DAY
    first = training_days(Run("selavi_vggsound", (), "selavi_vggsound"))
    assert training_days(clips) == pytest.approx(alone + first)


def test_every_training_has_a_cost() -> None:
    costs = [row_days(row) for table in TABLES for row in table.rows]
    assert all(cost is None or min(cost) >= 0 < cost[0] for cost in costs)
    assert any(cost is not None for cost in costs)
    with pytest.raises(ValueError, match="no entry of the recipe 'sela_cifar10'"):
        training_days(Run("sela_cifar10", (), "sela_cifar10"))
