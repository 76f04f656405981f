"""The configurations of the comparison: methods share data, encoders and budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests._helpers.compare_folders import CONFIGS, Change
from tests._helpers.parsing import Parsed
from unlabelled.commands.compare.plan import Method, Plan, nodes, read, without_modalities

PLAN = Plan(CONFIGS)
METHODS = {method.name: method for method in PLAN.methods}
TRAINED = {name: method for name, method in METHODS.items() if method.trains}


def test_every_file_is_a_row_and_untrained_comes_first() -> None:
    assert set(METHODS) == {path.stem for path in (CONFIGS / "methods").iterdir()}
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    assert [name for name in METHODS if name not in TRAINED] == ["raw", "untrained"] == list(METHODS)[:2]
    assert all(method.title != method.name or name == "untrained" for name, method in METHODS.items())


def test_raw_input_is_evaluated_instead_of_the_encoders_of_the_protocol() -> None:
    plan = Plan(CONFIGS)
    frozen = plan.frozen(METHODS["raw"])
    assert set(_encoders(frozen["model"])) == {"unlabelled.encoders.RawVideo", "unlabelled.encoders.RawAudio"}
    assert frozen["trainer"] == plan.frozen(METHODS["untrained"])["trainer"]


def test_another_data_set_is_laid_over_the_setting_and_makes_other_results() -> None:
    plan, other = Plan(CONFIGS), Plan(CONFIGS, CONFIGS / "data" / "garments.yaml")
    method = METHODS["selavi"]
    names = [Path(option.partition("=")[2]).name for option in other.fit_options(method)]
    assert names == ["setting.yaml", "garments.yaml", "selavi.yaml", "budget.yaml"]
    assert plan.fingerprint(method) != other.fingerprint(method)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_sets_neither_data_nor_budget(name: str) -> None:
    content = METHODS[name].content
    assert set(content) <= {"model", "data", "trainer"}
    assert set(content["model"]) == {"class_path", "init_args"}
    shared = set(read(CONFIGS / "budget.yaml")["model"]["init_args"]) | {
        "lr_batch_size",
        "encoder_checkpoint",
    }
    assert not shared & set(content["model"]["init_args"])
    assert set(content.get("data", {"init_args": {"pipeline": ()}})["init_args"]) == {"pipeline"}
    assert content["trainer"] == {"max_epochs": 0} or set(content["trainer"]) == {"callbacks"}


def _encoders(content: Any) -> dict[str, dict[str, Any]]:
    found = [node for node in nodes(content) if node["class_path"].startswith("unlabelled.encoders.")]
    return {node["class_path"]: node["init_args"] for node in found}


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"raw"}))
def test_encoders_are_those_of_the_protocol(name: str) -> None:
    protocol = _encoders(read(CONFIGS / "protocols" / "frozen.yaml"))
    encoders = _encoders(METHODS[name].content["model"])
    assert encoders
    assert encoders.items() <= protocol.items()
    assert len(METHODS[name].modalities) == len(encoders)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if "data" in method.content])
def test_other_pipelines_have_the_same_duration_size_and_spectrogram(name: str) -> None:
    setting = read(CONFIGS / "setting.yaml")["data"]["init_args"]["pipeline"]["init_args"]
    pipeline = METHODS[name].content["data"]["init_args"]["pipeline"]["init_args"]
    if "video" in METHODS[name].modalities:
        assert pipeline["num_frames"] == setting["num_frames"]
        duration = setting["num_frames"] / setting["fps"]
        assert pipeline.get("duration", duration) == duration
        assert pipeline.get("fps", setting["fps"]) == setting["fps"]
        sizes = {node["init_args"]["size"] for node in nodes(pipeline) if "size" in node.get("init_args", {})}
        assert (sizes or {pipeline["crop"]}) == {setting["crop"]}
    if "audio" in METHODS[name].modalities:
        assert pipeline["audio"] == setting["audio"]


@pytest.mark.parametrize("name", ["deepcluster", "l3", "ressl", "sela"])
def test_all_files_together_are_a_configuration(name: str) -> None:
    """Other methods run in tests/system/test_compare.py, or differ from one that runs in numbers only."""
    config = Parsed(["fit", *PLAN.fit_options(TRAINED[name])]).config["fit"]
    assert config.model.class_path == TRAINED[name].content["model"]["class_path"]
    assert config.model.init_args.optimizer.init_args.lr == 1e-3
    assert config.data.init_args.batch_size == 16
    assert config.trainer.max_epochs == PLAN.epochs
    callbacks = [callback.class_path.rpartition(".")[2] for callback in config.trainer.callbacks]
    assert callbacks[0] == "Throughput"
    assert callbacks[-1] == "ModelCheckpoint"


def test_own_protocols_follow_from_the_class_of_a_method() -> None:
    found = {name: method.own_protocols for name, method in METHODS.items() if method.own_protocols}
    clusters = ["sela", "sela_audio", "selavi", "shhc"]
    assert found == {**{name: ["clusters"] for name in clusters}, "dmc": ["localisation"]}


def test_the_frozen_protocol_has_the_modalities_of_the_method() -> None:
    whole = read(CONFIGS / "protocols" / "frozen.yaml")
    assert PLAN.frozen(METHODS["selavi"]) == whole
    cut = PLAN.frozen(METHODS["sela_audio"])
    (encoder,) = cut["model"]["init_args"]["encoders"]
    assert encoder["class_path"].endswith("SmallAudioEncoder")
    assert len(cut["trainer"]["callbacks"]) == len(whole["trainer"]["callbacks"])
    (features,) = cut["trainer"]["callbacks"][-1]["init_args"]["features"]
    assert features["init_args"] == {"modality": "audio"}
    assert without_modalities({"list": [1, {"class_path": "torch.nn.ReLU"}]}, set()) == {
        "list": [1, {"class_path": "torch.nn.ReLU"}]
    }


def test_fingerprints_depend_on_the_files(tmp_path: Path) -> None:
    import shutil

    plan = Plan(tmp_path / "copy")
    shutil.copytree(CONFIGS, plan.folder)

    def prints(name: str) -> tuple[str, str]:
        method = Plan(plan.folder).method(name)
        return plan.fit_fingerprint(method), plan.fingerprint(method)

    before = {name: prints(name) for name in ("l3", "dmc")}
    assert len({each for pair in before.values() for each in pair}) == 4
    with Change(plan.folder / "protocols" / "localisation.yaml") as content:
        content["trainer"]["callbacks"][0]["init_args"]["level"] = 0.6
    assert prints("l3") == before["l3"]
    assert prints("dmc")[0] == before["dmc"][0]
    assert prints("dmc")[1] != before["dmc"][1]
    with Change(plan.folder / "budget.yaml") as content:
        content["trainer"]["max_epochs"] = 3
    assert plan.epochs == 3
    assert prints("l3")[0] != before["l3"][0]


def test_errors_name_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no methods/\*\.yaml"):
        _ = Plan(tmp_path).methods
    with pytest.raises(ValueError, match=r"no method 'selav'.*selavi"):
        PLAN.method("selav")
    (tmp_path / "untitled.yaml").write_text("model: {}\n")
    assert Method(tmp_path / "untitled.yaml").title == "untitled"
