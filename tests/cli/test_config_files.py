"""Configuration files and options combined, and the configuration that a run saves."""

from __future__ import annotations

import functools
import itertools
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from callbacks.training.save_config import SaveConfig
from tests._helpers.parsing import DEMO, ROOT, Parsed, as_dict, parse
from unlabelled.__main__ import EXPERIMENTS
from unlabelled.environment import commit, experiment_root

AUDIO_VISUAL = {
    "embedded": "Embedded",
    "garments": "Garments",
    "digits": "Digits",
    "patterns": "Patterns",
    "small_garments": "SmallGarments",
    "videos": "Videos",
    "vggsound": "VGGSound",
    "kinetics200": "Kinetics",
    "kinetics400": "Kinetics",
    "kinetics600": "Kinetics",
    "kinetics700": "Kinetics",
    "kinetics_sound": "KineticsSound",
    "ave": "AVE",
    "flickr_soundnet": "FlickrSoundNet",
}
VIDEOS = {"ucf101": "UCF101", "hmdb51": "HMDB51", "something_something_v2": "SomethingSomethingV2"}
AUDIO = {"esc50": "ESC50", "dcase2014": "DCASE2014", "sounds": "Sounds"}
IMAGES = {
    "cifar10": "CIFAR10",
    "caltech101": "Caltech101",
    "cifar100": "CIFAR100",
    "dtd": "DTD",
    "fgvc_aircraft": "FGVCAircraft",
    "flowers102": "Flowers102",
    "food101": "Food101",
    "oxford_pets": "OxfordPets",
    "stanford_cars": "StanfordCars",
    "sun397": "SUN397",
    "digit_images": "ComposedImages",
    "drawn_images": "DrawnImages",
    "fashion_mnist": "FashionMNIST",
    "image_folder": "ImageFolder",
    "images": "Images",
    "imagenet": "ImageNet",
    "imagenet100": "ImageNet100",
    "pattern_images": "ComposedImages",
    "stl10": "STL10",
    "tiny_imagenet": "TinyImageNet",
    "voc2007": "VOC2007",
}
FEATURES = {
    "howto100m": "HowTo100M",
    "embedded_features": "EmbeddedFeatures",
    "msrvtt": "MSRVTT",
    "youcook2": "YouCook2",
    "msvd": "MSVD",
}
ZERO_SHOT = {  # overlays with evaluation sets and callbacks, and a recipe for each
    "zero_shot": "sspc_howto100m",
    "zero_shot_mcn": "mcn_howto100m",
    "zero_shot_clip": "eao_howto100m_clip",
    "zero_shot_text_video": "sspc_howto100m_text_video",
}
SETS = [  # overlay, data module, and a configuration of the same modalities
    *((name, cls, DEMO) for name, cls in AUDIO_VISUAL.items()),
    *((name, cls, "configs/demo/sce_video.yaml") for name, cls in (AUDIO_VISUAL | VIDEOS).items()),
    *((name, cls, "configs/protocols/svm_dcase2014.yaml") for name, cls in AUDIO.items()),
    *((name, cls, "configs/recipes/sce_imagenet100.yaml") for name, cls in IMAGES.items()),
    *((name, cls, "configs/recipes/sspc_howto100m.yaml") for name, cls in FEATURES.items()),
]
COMPLETE = sorted(
    str(path.relative_to(ROOT))
    for name in ("demo", "recipes", "protocols")
    for path in ROOT.glob(f"configs/{name}/*")
)
TRAINERS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("configs/trainer/*"))


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_all_data_configs_are_known() -> None:
    known = {*AUDIO_VISUAL, *VIDEOS, *AUDIO, *IMAGES, *FEATURES, *ZERO_SHOT}
    assert {path.stem for path in ROOT.glob("configs/data/*")} == known
    assert COMPLETE
    assert TRAINERS


@functools.cache
def _alone(base: str) -> Any:
    return parse("fit", "--config", base)


@pytest.mark.parametrize(("name", "cls", "base"), SETS)
def test_a_data_set_keeps_pipeline_reader_and_batch_size(name: str, cls: str, base: str) -> None:
    before = _alone(base)
    config = parse(
        "fit", "--config", base, "--config", f"configs/data/{name}.yaml", "--data.init_args.root", "DIR"
    )
    assert config.data.class_path == f"datamodules.{cls}"
    assert config.data.init_args.root == "DIR"
    for kept in ("pipeline", "batch_size", "num_workers", *([] if name in IMAGES | FEATURES else ["reader"])):
        assert config.data.init_args[kept] == before.data.init_args[kept]
    assert config.model == before.model
    if name.removeprefix("kinetics").isdigit():
        assert config.data.init_args.variant == name.removeprefix("kinetics")


@pytest.mark.parametrize(("name", "recipe"), ZERO_SHOT.items())
def test_zero_shot_adds_sets_and_callbacks(name: str, recipe: str) -> None:
    base = f"configs/recipes/{recipe}.yaml"
    before = _alone(base)
    config = parse("test", "--config", base, "--config", f"configs/data/{name}.yaml")
    sets = config.data.init_args.test_evaluation
    names = [each.class_path.rpartition(".")[2] for each in sets]
    assert names == [
        "MSRVTT",
        "YouCook2",
        "MSVD",
        "UCF101Features",
        "HMDB51Features",
        "CrossTask",
        "MiningYouTube",
    ]
    clip = before.data.init_args.pipeline.init_args.stream_3d is None
    assert [bool(each.init_args.other) for each in sets[:5]] == [clip] * 5
    assert config.data.init_args.evaluation == before.data.init_args.evaluation
    number = len(before.trainer.callbacks)
    classification, localisation = config.trainer.callbacks[number:]
    retrieval = next(each for each in before.trainer.callbacks if "Retrieval" in each.class_path)
    gallery = retrieval.init_args.directions[0].removeprefix("text->")
    assert classification.init_args.features == gallery
    assert localisation.init_args.direction == f"text->{gallery}"
    assert localisation.init_args.similarity == retrieval.init_args.similarity


def test_options_that_the_new_class_lacks_are_dropped(tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    first.write_text(
        "data: {class_path: datamodules.Embedded, init_args: {train_per_class: 3, batch_size: 5}}\n"
    )
    config = parse("fit", "--config", DEMO, "--config", str(first), "--config", "configs/data/vggsound.yaml")
    assert "train_per_class" not in config.data.init_args
    assert config.data.init_args.batch_size == 5
    config = parse(
        "fit", "--config", "configs/recipes/selavi_kinetics400.yaml", "--config", "configs/data/ave.yaml"
    )
    assert "variant" not in config.data.init_args
    assert config.data.init_args.pipeline.init_args.num_frames == 30


def test_later_files_and_options_override_earlier_ones(tmp_path: Path) -> None:
    for name, epochs in (("a", 7), ("b", 8)):
        (tmp_path / f"{name}.yaml").write_text(f"trainer: {{max_epochs: {epochs}}}\n")
    a, b = (["--config", str(tmp_path / f"{name}.yaml")] for name in "ab")
    option = ["--trainer.max_epochs", "9"]
    for args, epochs in (
        ((), yaml.safe_load((ROOT / DEMO).read_text())["trainer"]["max_epochs"]),
        (a, 7),
        ((*a, *b), 8),
        ((*b, *a), 7),
        ((*a, *option), 9),
        ((*option, *a), 7),
    ):
        assert parse("fit", "--config", DEMO, *args).trainer.max_epochs == epochs


def test_lists_are_replaced_and_plus_appends(tmp_path: Path) -> None:
    number = len(parse("fit", "--config", DEMO).trainer.callbacks)
    longer = parse("fit", "--config", DEMO, "--trainer.callbacks+", "ModelSummary").trainer.callbacks
    assert len(longer) == number + 1
    assert longer[-1].class_path == "lightning.pytorch.callbacks.ModelSummary"
    for key, length in (("callbacks", 1), ("callbacks+", number + 1)):
        (tmp_path / "a.yaml").write_text(f"trainer: {{{key}: [{{class_path: callbacks.Throughput}}]}}\n")
        assert (
            len(parse("fit", "--config", DEMO, "--config", str(tmp_path / "a.yaml")).trainer.callbacks)
            == length
        )


def test_short_class_names() -> None:
    config = parse(
        "fit", "--config", DEMO, "--model", "SeLaVi", "--data", "VGGSound", "--model.num_heads", "2"
    )
    assert config.model.class_path == "lightning_modules.SeLaVi"
    assert config.data.class_path == "datamodules.VGGSound"
    assert config.model.init_args.num_heads == 2
    assert config.model.init_args.num_clusters == 9


@pytest.mark.parametrize("path", COMPLETE)
def test_every_complete_config_parses_with_trainers(path: str) -> None:
    # All trainers and all commands for one configuration; one pair in turn for the others, which are similar.
    pairs = list(itertools.product(EXPERIMENTS, TRAINERS))
    all_of_both = [
        *itertools.product(EXPERIMENTS[:1], TRAINERS),
        *itertools.product(EXPERIMENTS, TRAINERS[:1]),
    ]
    for command, trainer in all_of_both if path == DEMO else [pairs[COMPLETE.index(path) % len(pairs)]]:
        wanted = yaml.safe_load((ROOT / trainer).read_text())["trainer"]
        config = parse(command, "--config", path, "--config", trainer)
        assert config.model.class_path.startswith("lightning_modules.")
        assert {key: str(config.trainer[key]) for key in wanted} == {key: str(wanted[key]) for key in wanted}


def test_the_printed_config_is_a_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    args = ["--config", DEMO, "--model.num_heads", "2"]
    with pytest.raises(SystemExit) as stop:
        Parsed(["fit", *args, "--print_config"])
    assert stop.value.code == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    assert as_dict(parse("fit", "--config", str(tmp_path / "printed.yaml"))) == as_dict(parse("fit", *args))


def test_help_of_a_class(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        Parsed(["fit", "--model.help", "SeLaVi"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "clusters per head" in out
    assert "--model.lr_batch_size" in out  # of the base class


def save(folder: Path, stage: str, *args: str) -> None:
    """Call the callback as Lightning does at the beginning of a run."""
    cli = Parsed([stage, "--config", DEMO, *args])
    strategy: Any = SimpleNamespace(broadcast=lambda value: value)
    logger = SimpleNamespace(log_dir=str(folder))
    trainer: Any = SimpleNamespace(loggers=[logger], is_global_zero=True, strategy=strategy)
    callback = SaveConfig(cli._parser(stage), cli.config[stage])
    for _ in range(2):  # one run saves once
        callback.setup(trainer, None, stage)


def test_a_run_neither_overwrites_nor_stops_at_the_config_of_another(tmp_path: Path) -> None:
    for stage in ("fit", "fit", "fit", "test", "test", "validate", "predict"):
        save(tmp_path, stage)
    suffixes = ["", ".resume1", ".resume2", ".test", ".test1", ".validate", ".predict"]
    wanted = {f"config{each}.yaml" for each in suffixes} | {f"environment{each}.txt" for each in suffixes}
    assert {path.name for path in tmp_path.iterdir()} == wanted


def test_the_saved_config_runs_again(tmp_path: Path) -> None:
    args = ["--model.num_heads", "2", "--trainer.callbacks+", "ModelSummary", "--data.root", "DIR"]
    save(tmp_path, "fit", *args)
    again = parse("fit", "--config", str(tmp_path / "config.yaml"))
    assert as_dict(again) == as_dict(parse("fit", "--config", DEMO, *args))
    lines = (tmp_path / "environment.txt").read_text().splitlines()
    names = [line.split(":")[0] for line in lines]
    assert {"python", "torch", "lightning", "decord", "commit", "CPU"} <= set(names)


def test_the_commit_of_a_clone(tmp_path: Path) -> None:
    assert commit(tmp_path) == "none: not a clone"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    assert commit(tmp_path) == "unknown: git describe failed"
    (tmp_path / "a.txt").write_text("a")
    subprocess.run([*git, "add", "a.txt"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "a"], check=True)
    assert re.fullmatch("[0-9a-f]{40}", commit(tmp_path))
    (tmp_path / "a.txt").write_text("b")
    assert commit(tmp_path).endswith("-dirty")


def test_the_root_of_an_installed_wheel_is_in_the_package(tmp_path: Path) -> None:
    package = tmp_path / "unlabelled"
    package.mkdir()
    assert experiment_root(package) == tmp_path
    (package / "_app").mkdir()
    assert experiment_root(package) == package / "_app"
