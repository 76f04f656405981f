"""Run the recipes and data configurations of SeLaVi on tiny data in the layouts of the data sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

import cli
from datamodules.kinetics import KINETICS_SOUND_CLASSES
from tests._helpers import dataset_folders as layouts
from tests._helpers.commands import command
from tests.conftest import ROOT

RECIPES = sorted((ROOT / "configs" / "recipes").glob("selavi_*.yaml"))
DATA = [
    ROOT / "configs" / "data" / f"{name}.yaml"
    for name in ("ave", "embedded", "kinetics200", "kinetics400", "kinetics_sound", "vggsound")
]


@pytest.fixture(scope="module")
def kinetics_root(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layouts.class_folders(layouts.clips(tiny_root), tmp_path_factory.mktemp("kinetics"))


@pytest.fixture(scope="module")
def ave_root(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layouts.ave(layouts.clips(tiny_root), tmp_path_factory.mktemp("ave"))


@pytest.fixture
def roots(tiny_root: Path, kinetics_root: Path, ave_root: Path) -> dict[str, Path]:
    return {
        "VGGSound": tiny_root,
        "Kinetics": kinetics_root,
        "KineticsSound": kinetics_root,
        "AVE": ave_root,
    }


@pytest.fixture(scope="module")
def encoders(tiny_root: Path, tiny_overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint from whose encoders other recipes start."""
    out = tmp_path_factory.mktemp("encoders")
    assert cli.main(command("fit", tiny_root, tiny_overlay, out, "--trainer.max_steps=1")) == 0
    return out / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains(
    recipe: Path, roots: dict[str, Path], tiny_overlay: Path, encoders: Path, tmp_path: Path
) -> None:
    content = yaml.safe_load(recipe.read_text())
    root = roots[content["data"]["class_path"].removeprefix("datamodules.")]
    for callback in content["trainer"]["callbacks"]:
        if callback["class_path"].endswith("ModelCheckpoint"):
            callback["init_args"]["dirpath"] = str(tmp_path)
    callbacks = tmp_path / "callbacks.yaml"
    callbacks.write_text(yaml.safe_dump({"trainer": {"callbacks": content["trainer"]["callbacks"]}}))
    arguments = [
        "fit",
        f"--config={recipe}",
        f"--config={tiny_overlay}",
        f"--config={callbacks}",
        f"--data.init_args.root={root}",
        "--model.init_args.num_clusters=9",
        "--trainer.max_steps=2",
        f"--trainer.default_root_dir={tmp_path}",
        f"--trainer.logger.init_args.save_dir={tmp_path}",
    ]
    if "encoder_checkpoint" in content["model"]["init_args"]:
        arguments.append(f"--model.init_args.encoder_checkpoint={encoders}")
    assert cli.main(arguments) == 0
    assert (tmp_path / "last.ckpt").is_file()


@pytest.mark.parametrize("data", DATA, ids=lambda path: path.stem)
def test_the_demo_validates_on_other_data_sets(
    data: Path, roots: dict[str, Path], tiny_root: Path, tiny_overlay: Path, tmp_path: Path
) -> None:
    name = yaml.safe_load(data.read_text())["data"]["class_path"].removeprefix("datamodules.")
    arguments = command("validate", roots.get(name, tmp_path / "embedded"), tiny_overlay, tmp_path)
    position = arguments.index("--config=configs/data/vggsound.yaml")
    arguments[position] = f"--config={data}"
    if name == "Embedded":
        arguments += ["--data.init_args.train_per_class=1", "--data.init_args.test_per_class=1"]
    assert cli.main(arguments) == 0


def test_kinetics_labels_and_names(kinetics_root: Path, tiny_root: Path) -> None:
    from datamodules import Kinetics, KineticsSound

    kinetics_sound = KineticsSound(str(kinetics_root))
    assert kinetics_sound.class_names == KINETICS_SOUND_CLASSES
    assert len(kinetics_sound.class_names) == 32
    assert {entry.label for entry in kinetics_sound.listing("val")} == set(range(9))
    everything = Kinetics(str(kinetics_root), variant="400")
    assert everything.class_names == sorted(KINETICS_SOUND_CLASSES)
    (kinetics_root / "few.txt").write_text("bowling\nblowing_nose\n")
    assert KineticsSound(str(kinetics_root), class_list="few.txt").class_names == ["bowling", "blowing nose"]
    chosen = Kinetics(str(kinetics_root), variant="200", class_list="few.txt")
    assert chosen.class_names == ["bowling", "blowing nose"]
    assert {entry.label for entry in chosen.listing("train")} == {0, 1}


def test_kinetics_official_csv(tiny_root: Path, tmp_path: Path) -> None:
    from datamodules import Kinetics

    (tmp_path / "annotations").mkdir()
    (tmp_path / "anywhere").mkdir()
    rows = ["label,youtube_id,time_start,time_end,split"]
    for number, (path, label, split) in enumerate(layouts.clips(tiny_root)):
        if split == "train":
            rows.append(f'"{label}",-id{number},{number},{number + 10},train')
            shutil.copy(path, tmp_path / "anywhere" / f"-id{number}_{number:06d}_{number + 10:06d}.mp4")
    rows.append("drum booming,gone,3,13,train")
    (tmp_path / "annotations" / "train.csv").write_text("\n".join(rows))
    listing = Kinetics(str(tmp_path)).listing("train")
    assert len(listing) == 37
    assert sum((tmp_path / entry.path).is_file() for entry in listing) == 36
    assert listing[-1].path == "gone_000003_000013.mp4"
    (tmp_path / "annotations" / "train.csv").write_text("label,id\nx,y\n")
    with pytest.raises(ValueError, match=r"train.csv, row 2: expected the columns label,youtube_id"):
        Kinetics(str(tmp_path)).listing("train")


def test_too_many_classes_for_the_variant(kinetics_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datamodules import Kinetics, kinetics

    monkeypatch.setitem(kinetics._VARIANTS, "200", 5)
    with pytest.raises(ValueError, match=r"32 classes .* variant='200' has 5"):
        _ = Kinetics(str(kinetics_root), variant="200").class_names


def test_a_video_with_two_events_counts_once(ave_root: Path) -> None:
    from datamodules import AVE

    path = ave_root / "trainSet.txt"
    before = path.read_text()
    video = before.splitlines()[1].split("&")[1]
    path.write_text(before + f"another&{video}&good&3&5\n" + before.splitlines()[1] + "\n")
    try:
        data = AVE(str(ave_root))
        assert len(data.class_names) == 10
        assert len(data.listing("train")) == 36
    finally:
        path.write_text(before)
    path.write_text(before + "too&few\n")
    try:
        with pytest.raises(ValueError, match=r"trainSet\.txt, line 38: 'too&few'"):
            AVE(str(ave_root)).listing("train")
    finally:
        path.write_text(before)


def test_vggsound_file_names_and_bad_rows(tmp_path: Path) -> None:
    from datamodules import VGGSound

    (tmp_path / "vggsound.csv").write_text(
        '-a,7,"dogs, barking",train\nb,30,cat,test\nc,1,cat,train\nd,2,cat,train\ne,3,cat,train\n'
    )
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("-a_000007.mp4", "b_30_40.mkv", "c_1000_11000.mp4", "d_2.webm"):
        (tmp_path / "deep" / "er" / name).touch()
    data = VGGSound(str(tmp_path))
    assert data.class_names == ["cat", "dogs, barking"]
    found = [(Path(entry.path).name, entry.label) for entry in data.listing("train")]
    assert found == [("-a_000007.mp4", 1), ("c_1000_11000.mp4", 0), ("d_2.webm", 0), ("e_000003.mp4", 0)]
    assert [Path(entry.path).name for entry in data.listing("test")] == ["b_30_40.mkv"]
    (tmp_path / "vggsound.csv").write_text("a,0,cat,train\nb,x,cat,test\n")
    with pytest.raises(ValueError, match=r"vggsound.csv, row 2: .* is not `youtube_id,start_seconds"):
        VGGSound(str(tmp_path)).listing("train")
