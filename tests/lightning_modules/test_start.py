"""A method starts from all weights of a file or from encoders, once, with frozen BatchNorm or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from callbacks.training.queue_update import QueueUpdate
from lightning_modules import EAO, SSPC
from lightning_modules.classifier import FineTune
from tests._helpers.tri_modal import Clips, clips, parts_of_a_method, trainer
from unlabelled.commands.errors.checkpoint import check_start
from unlabelled.encoders import SmallImageEncoder


class Start(Callback):
    """Remembers the weights and the step before training."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.weights = {name: value.clone() for name, value in pl_module.state_dict().items()}
        self.step, self.state = trainer.global_step, dict(trainer.optimizers[0].state)


def eao(cls: type[EAO] | type[SSPC] = EAO, **options: Any) -> Any:
    return cls(**parts_of_a_method(), **options)


def test_a_run_starts_from_all_weights_with_a_new_optimiser(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, first = Clips([clips(8)]), eao()
    run = trainer(tmp_path)
    run.fit(first, data)
    run.save_checkpoint(tmp_path / "a.ckpt")
    start, second = Start(), eao(weights=str(tmp_path / "a.ckpt"))
    run = trainer(tmp_path, start)
    with caplog.at_level("INFO"):
        run.fit(second, data)
    assert start.step == 0
    assert start.state == {}
    for name, value in first.state_dict().items():
        assert torch.equal(value, start.weights[name]), name
    assert "layout of this package: took" in caplog.text
    trained = {name: value.clone() for name, value in second.state_dict().items()}
    run.validate(
        second, DataLoader([clips(8)], batch_size=None), verbose=False
    )  # another stage does not load them again
    assert all(torch.equal(value, trained[name]) for name, value in second.state_dict().items())


def test_another_methods_weights_are_taken_as_far_as_they_fit(tmp_path: Path) -> None:
    stored, options = eao(), {"num_anchors": 6, "queue_size": 16}
    torch.save({"state_dict": stored.state_dict()}, tmp_path / "a.ckpt")
    start = Start()
    method = eao(SSPC, weights=str(tmp_path / "a.ckpt"), **options)
    trainer(tmp_path, start, QueueUpdate(allow_uneven=True)).fit(method, Clips([clips(8)]))
    for name, value in stored.state_dict().items():
        assert name.startswith("transformers.shared") or torch.equal(value, start.weights[name]), name


def statistics(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.named_buffers() if "running" in name}


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_batchnorm_keeps_its_statistics_and_trains_its_scale(freeze: bool, tmp_path: Path) -> None:
    method = eao(freeze_batchnorm=freeze)
    before = statistics(method)
    scales = [part.weight.clone() for part in method.modules() if isinstance(part, nn.BatchNorm1d)]
    trainer(tmp_path).fit(method, Clips([clips(8)]))
    after = statistics(method)
    assert all(torch.equal(before[name], after[name]) for name in before) is freeze
    trained = [part.weight for part in method.modules() if isinstance(part, nn.BatchNorm1d)]
    assert all(not torch.equal(one, other) for one, other in zip(scales, trained, strict=True))
    method.eval().train()
    norms = [part for part in method.modules() if isinstance(part, nn.BatchNorm1d)]
    assert {part.training for part in norms} == {not freeze}
    assert method.transformers.training


def test_one_start_alone_and_its_files_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FineTune: encoder_checkpoint and weights are both given"):
        FineTune(
            encoder=SmallImageEncoder(2),
            num_classes=2,
            optimizer=torch.optim.SGD,
            encoder_checkpoint="a",
            weights="b",
        )
    assert not check_start({"encoder_checkpoint": None})
    (tmp_path / "a").touch()
    assert check_start({"weights": str(tmp_path / "a")})
    with pytest.raises(FileNotFoundError, match=r"encoder_checkpoint: there is no file .*none"):
        check_start({"encoder_checkpoint": {"video": str(tmp_path / "a"), "audio": str(tmp_path / "none")}})
