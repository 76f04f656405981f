"""Linear evaluation and fine-tuning: what is averaged, what learns, and at which rate."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningDataModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_modules import Classifier, FineTune, LinearProbe, Pretrained
from unlabelled.encoders import Encoder, SmallAudioEncoder, SmallImageEncoder

SGD = partial(torch.optim.SGD, lr=0.1)


class Identity(Encoder):
    """Three numbers as an image of one pixel."""

    modality = "image"
    dim = 3

    def feature_maps(self, inputs: Tensor) -> Tensor:
        return inputs


def _identity(**kwargs: Any) -> FineTune:
    method = FineTune(encoder=Identity(), num_classes=3, optimizer=SGD, **kwargs)
    method.classifier.weight.data = torch.eye(3)
    return method.eval()


def test_probabilities_are_averaged_not_logits() -> None:
    views = torch.tensor([[2.0, 0, 0], [0, 3, 0], [1, 0, 0]]).view(1, 3, 3, 1, 1)  # by hand
    batch = {"image": views, "label": torch.tensor([0])}
    found = _identity().evaluation_step(batch)["log_probs"].exp()
    torch.testing.assert_close(found, torch.tensor([[0.4695, 0.4093, 0.1212]]), atol=1e-4, rtol=0)
    found = _identity(average="logits").evaluation_step(batch)["log_probs"].exp()
    torch.testing.assert_close(found, torch.tensor([[0.4223, 0.4223, 0.1554]]), atol=1e-4, rtol=0)


def test_one_crop_is_no_average() -> None:
    batch = {"image": torch.tensor([[2.0, 0, 0]]).view(1, 3, 1, 1)}
    out = _identity().evaluation_step(batch)
    torch.testing.assert_close(out["log_probs"], torch.tensor([[2.0, 0, 0]]).log_softmax(1))
    torch.testing.assert_close(out["features"]["image"], torch.tensor([[2.0, 0, 0]]))


class IdentityAudio(Identity):
    """Three numbers as a spectrogram of one moment."""

    modality = "audio"


def _both(**kwargs: Any) -> FineTune:
    method = FineTune(encoder=[IdentityAudio(), Identity()], num_classes=3, optimizer=SGD, **kwargs)
    method.classifier.weight.data = torch.cat([torch.eye(3), 2 * torch.eye(3)], 1)
    return method.eval()


def test_features_of_several_encoders_stand_side_by_side_in_their_order() -> None:
    audio, seen = torch.tensor([[1.0, 0, 0], [0, 0, 1]]), torch.tensor([[0, 1.0, 0], [0, 0, 3]])
    batch = {"image": seen.view(2, 3, 1, 1), "audio": audio.view(2, 3, 1, 1), "label": torch.tensor([0, 2])}
    out = _both().evaluation_step(batch)
    torch.testing.assert_close(out["log_probs"], (audio + 2 * seen).log_softmax(1))
    assert set(out["features"]) == {"image", "audio"}
    torch.testing.assert_close(out["features"]["image"], seen)
    loss = nn.functional.cross_entropy(audio + 2 * seen, batch["label"])
    torch.testing.assert_close(_both().training_step(batch, 0)["loss"], loss)


def test_views_of_one_modality_share_the_other() -> None:
    views = torch.tensor([[2.0, 0, 0], [0, 3, 0]])
    audio = torch.tensor([1.0, 0, 0])
    batch = {"image": views.view(1, 2, 3, 1, 1), "audio": audio.view(1, 3, 1, 1)}
    found = _both().evaluation_step(batch)["log_probs"].exp()
    torch.testing.assert_close(found[0], (audio + 2 * views).softmax(1).mean(0))


def test_one_encoder_for_each_modality() -> None:
    for encoders, names in (([], "nothing"), ([Identity(), Identity()], "image, image")):
        with pytest.raises(ValueError, match=f"got encoders for {names}; expected one, or a list with one"):
            FineTune(encoder=encoders, num_classes=3, optimizer=SGD)


def test_both_encoders_come_out_of_one_checkpoint(tmp_path: Path) -> None:
    """Whatever the method was: its encoders are named by modality."""
    stored = nn.ModuleDict({"audio": SmallAudioEncoder(2), "image": SmallImageEncoder(2)})
    state = {f"encoders.{name}": value for name, value in stored.state_dict().items()}
    torch.save({"state_dict": {**state, "heads.weight": torch.zeros(3)}}, tmp_path / "a.ckpt")
    method = LinearProbe(
        encoder=[SmallImageEncoder(2), SmallAudioEncoder(2)],
        num_classes=2,
        optimizer=SGD,
        encoder_checkpoint=str(tmp_path / "a.ckpt"),
    )
    _fit(method, tmp_path)
    for name, value in stored.state_dict().items():
        torch.testing.assert_close(method.encoders.state_dict()[name], value)


class Data(LightningDataModule):
    """Eight labelled images with audio, and one that stands in for another."""

    batch_size = 4
    class_names = ("a", "b")

    def _loader(self) -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(0)
        rows = [
            {
                "image": torch.randn(3, 16, 16, generator=generator),
                "audio": torch.randn(1, 16, 16, generator=generator),
                "label": row % 2,
                "index": row,
                "replaced": -1 if row < 8 else 0,
            }
            for row in range(9)
        ]
        return DataLoader(rows, batch_size=4)

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader()

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader()


def _fit(method: Classifier | Pretrained, folder: Path, **kwargs: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    options: dict[str, Any] = {"max_epochs": 1, "accelerator": "cpu", "logger": False, **quiet, **kwargs}
    trainer = Trainer(default_root_dir=folder, num_sanity_val_steps=0, **options)
    trainer.fit(method, Data())
    return trainer


@pytest.mark.parametrize("cls", [LinearProbe, FineTune])
def test_what_learns(cls: type[Classifier], tmp_path: Path) -> None:
    method = cls(encoder=SmallImageEncoder(2), num_classes=2, optimizer=SGD)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    trainer = _fit(method, tmp_path, max_epochs=2)  # a validation comes between the epochs
    moved = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert {"classifier.weight", "classifier.bias"} <= moved
    assert any(name.startswith("encoders.") for name in moved) == (cls is FineTune)
    assert {"val/accuracy", "val/top5", "val/loss"} <= set(trainer.callback_metrics)


def test_accuracy_leaves_stand_ins_out(tmp_path: Path) -> None:
    method = FineTune(encoder=SmallImageEncoder(2), num_classes=2, optimizer=partial(torch.optim.SGD, lr=0.0))
    trainer = _fit(method, tmp_path)
    method.eval()
    batch = next(iter(DataLoader(Data()._loader().dataset, batch_size=8)))
    with torch.no_grad():
        log_probs = method.evaluation_step(batch)["log_probs"]
    expected = (log_probs.argmax(1) == batch["label"]).float().mean()
    assert trainer.callback_metrics["val/accuracy"] == pytest.approx(float(expected))
    loss = nn.functional.nll_loss(log_probs, batch["label"])
    assert trainer.callback_metrics["val/loss"] == pytest.approx(float(loss), abs=1e-5)


def test_the_encoder_has_its_share_of_the_rate(tmp_path: Path) -> None:
    method = FineTune(
        encoder=SmallImageEncoder(2),
        num_classes=2,
        optimizer=SGD,
        encoder_lr_factor=0.1,
        lr_batch_size=2,
        orthogonal=True,
    )
    trainer = _fit(method, tmp_path, max_steps=1)
    assert [group["lr"] for group in trainer.optimizers[0].param_groups] == pytest.approx([0.2, 0.02])
    fresh = FineTune(encoder=SmallImageEncoder(4), num_classes=2, optimizer=SGD, orthogonal=True)
    torch.testing.assert_close(fresh.classifier.weight @ fresh.classifier.weight.T, torch.eye(2))


def test_batchnorm_may_be_left_out_of_the_decay(tmp_path: Path) -> None:
    decayed = partial(torch.optim.SGD, lr=0.5, weight_decay=0.1)
    method = FineTune(
        encoder=SmallImageEncoder(2),
        num_classes=2,
        optimizer=decayed,
        encoder_lr_factor=0.5,
        decay_batchnorm=False,
    )
    groups = _fit(method, tmp_path).optimizers[0].param_groups
    norms = [layer for layer in method.encoders.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {id(value) for value in groups[2]["params"]} == {
        id(value) for layer in norms for value in (layer.weight, layer.bias)
    }
    assert [(group["weight_decay"], group["lr"]) for group in groups] == [
        (0.1, 0.5),
        (0.1, 0.25),
        (0.0, 0.25),
    ]
    assert sum(len(group["params"]) for group in groups) == len(list(method.parameters()))


def test_the_number_of_classes_is_checked(tmp_path: Path) -> None:
    method = LinearProbe(encoder=SmallImageEncoder(2), num_classes=5, optimizer=SGD)
    with pytest.raises(
        MisconfigurationException, match=r"num_classes=5, but the data set has 2 .*num_classes 2"
    ):
        _fit(method, tmp_path)


def test_pretrained_encoders_only_look(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="Pretrained does not train"):
        _fit(Pretrained([SmallImageEncoder(2)]), tmp_path)


class Folds(Data):
    """The same, as one fold of several."""

    def __init__(self, fold: int) -> None:
        super().__init__()
        self.fold = fold


def test_another_fold_than_that_of_training_is_refused(tmp_path: Path) -> None:
    method = LinearProbe(encoder=SmallImageEncoder(2), num_classes=2, optimizer=SGD)
    quiet: dict[str, Any] = {"enable_progress_bar": False, "logger": False, "accelerator": "cpu"}
    trainer = Trainer(default_root_dir=tmp_path, max_steps=1, **quiet)
    trainer.fit(method, Folds(1))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    trainer.validate(method, Folds(1), ckpt_path=tmp_path / "a.ckpt", weights_only=False)
    with pytest.raises(
        ValueError, match=r"trained on fold 1, but the data is fold 2.*--data.init_args.fold 1"
    ):
        trainer.validate(method, Folds(2), ckpt_path=tmp_path / "a.ckpt", weights_only=False)


def test_encoders_are_loaded_in_every_stage(tmp_path: Path) -> None:
    method = LinearProbe(
        encoder=SmallImageEncoder(2), num_classes=2, optimizer=SGD, encoder_checkpoint=str(tmp_path / "none")
    )
    trainer = Trainer(default_root_dir=tmp_path, logger=False, accelerator="cpu", enable_progress_bar=False)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        trainer.validate(method, Data())


def test_data_without_labels_or_with_other_views_are_refused() -> None:
    method = LinearProbe(encoder=SmallImageEncoder(2), num_classes=2, optimizer=SGD)
    batch = {"image": torch.zeros(2, 3, 16, 16), "label": torch.tensor([0, -1])}
    with pytest.raises(ValueError, match=r"training samples have none.*train_split train"):
        method.training_step(batch, 0)
    with pytest.raises(ValueError, match=r"needs one image of a sample; set --data.init_args.pipeline"):
        method.training_step({"views": [], "label": batch["label"]}, 0)


def test_a_sure_mistake_costs_a_finite_loss() -> None:
    method = _identity()
    batch = {"image": torch.tensor([[0.0, 500, 0]]).view(1, 3, 1, 1)}
    assert torch.isfinite(method.evaluation_step(batch)["log_probs"]).all()
