"""Split BatchNorm against one BatchNorm per group; shuffling against its definition, by 1 and 2 processes."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.multiprocessing.spawn import start_processes

from unlabelled.nn.batchnorm import ShuffleBatchNorm, SplitBatchNorm, split_batchnorm

BATCH = 12


def norm(channels: int, groups: int, **options: Any) -> SplitBatchNorm:
    """Return a SplitBatchNorm with a history and with scales that are not one."""
    made = SplitBatchNorm(channels, groups, **options)
    for values in (made.weight, made.bias, made.running_mean, made.running_var):
        if values is not None:
            nn.init.uniform_(values, 0.5, 2.0)
    return made


@settings(deadline=None, max_examples=30)
@given(
    groups=st.integers(1, 4),
    per_group=st.integers(2, 4),
    channels=st.integers(1, 3),
    size=st.lists(st.integers(1, 3), max_size=3),
    affine=st.booleans(),
    momentum=st.sampled_from([0.1, 0.7, None]),
)
def test_each_group_is_normalised_by_its_own_batchnorm(
    groups: int, per_group: int, channels: int, size: list[int], affine: bool, momentum: float | None
) -> None:
    # Two inputs that are close to each other are normalised by a small deviation: float32 is too coarse.
    split = norm(channels, groups, affine=affine, momentum=momentum).double()
    separate = [as_plain(split, channels) for _ in range(groups)]
    inputs = torch.randn(groups * per_group, channels, *size, dtype=torch.float64)
    for _ in range(2):
        outputs = split(inputs)
        before = as_plain(split, channels)  # what the groups of the next batch start from
        for group, plain in enumerate(separate):
            torch.testing.assert_close(outputs[group::groups], plain(inputs[group::groups]))
        for name in ("running_mean", "running_var"):
            mean = torch.stack([getattr(plain, name) for plain in separate]).mean(0)
            torch.testing.assert_close(getattr(split, name), mean)
        assert split.num_batches_tracked == separate[0].num_batches_tracked
        separate = [deepcopy(before) for _ in range(groups)]


def as_plain(split: SplitBatchNorm, channels: int) -> nn.Module:
    plain = nn.SyncBatchNorm(
        channels, momentum=split.momentum, affine=split.affine
    )  # takes inputs of any size
    plain.to(split.running_mean.dtype).load_state_dict(split.state_dict())
    return plain


def test_gradients_equal_those_of_the_groups() -> None:
    split = norm(3, 2)
    plain = as_plain(split, 3)
    inputs, weights = torch.randn(6, 3, 2, 2, requires_grad=True), torch.randn(6, 3, 2, 2)
    (split(inputs) * weights).sum().backward()
    ours = [inputs.grad, split.weight.grad, split.bias.grad]
    inputs.grad = None
    for group in range(2):
        (plain(inputs[group::2]) * weights[group::2]).sum().backward()
    torch.testing.assert_close(ours, [inputs.grad, plain.weight.grad, plain.bias.grad])


def test_channels_last_changes_nothing() -> None:
    split, inputs = norm(4, 3), torch.randn(6, 4, 5, 5)
    expected = deepcopy(split)(inputs)
    torch.testing.assert_close(split(inputs.contiguous(memory_format=torch.channels_last)), expected)


def test_evaluation_is_ordinary_batchnorm_with_any_batch() -> None:
    split = norm(3, 4).eval()
    inputs = torch.randn(5, 3, 2)
    torch.testing.assert_close(split(inputs), as_plain(split, 3).eval()(inputs))
    assert int(split.num_batches_tracked) == 0


def test_without_running_statistics() -> None:
    split = SplitBatchNorm(3, 2, track_running_stats=False)
    inputs = torch.randn(6, 3)
    expected = (inputs[1::2] - inputs[1::2].mean(0)) / (inputs[1::2].var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(split(inputs)[1::2], expected)


@pytest.mark.parametrize("shape", [(7, 3), (6,), (2, 3, 4)])
def test_batches_that_do_not_divide_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="batch that is a multiple of groups=3"):
        norm(3, 3)(torch.zeros(shape))


def network() -> nn.Sequential:
    torch.manual_seed(5)
    block = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, eps=1e-3, momentum=0.3), nn.ReLU())
    return nn.Sequential(block, nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5, affine=False))


def test_a_converted_network_keeps_parameters_and_buffers() -> None:
    plain = network()
    names, tensors = list(plain.state_dict()), [*plain.parameters(), *plain.buffers()]
    split = split_batchnorm(plain.train(), 4)
    assert list(split.state_dict()) == names
    assert all(a is b for a, b in zip([*split.parameters(), *split.buffers()], tensors, strict=True))
    norms = [module for module in split.modules() if isinstance(module, SplitBatchNorm)]
    assert [(n.groups, n.eps, n.momentum, n.affine) for n in norms] == [(4, 1e-3, 0.3, True)]
    assert isinstance(split[3], nn.BatchNorm1d), "the released code splits 2d layers only"


def test_a_converted_network_in_evaluation_is_the_same() -> None:
    inputs = torch.randn(BATCH, 2, 4, 4)
    torch.testing.assert_close(split_batchnorm(network().eval(), 8)(inputs), network().eval()(inputs))


def test_a_batchnorm_alone_is_converted() -> None:
    assert isinstance(split_batchnorm(nn.BatchNorm2d(2), 2), SplitBatchNorm)


def test_wrong_groups_and_synchronised_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="groups is 0"):
        ShuffleBatchNorm(0)
    with pytest.raises(ValueError, match="groups is 0"):
        split_batchnorm(network(), 0)
    with pytest.raises(ValueError, match="SyncBatchNorm"):
        split_batchnorm(nn.SyncBatchNorm.convert_sync_batchnorm(network()), 2)
    with pytest.raises(ValueError, match="no BatchNorm2d"):
        ShuffleBatchNorm(2).prepare(nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2)))


def inputs_of(rank: int) -> torch.Tensor:
    return torch.randn(BATCH, 2, 4, 4, generator=torch.Generator().manual_seed(100 + rank))


def shuffled(rank: int) -> dict[str, Any]:
    """Return the outputs of a target on one process; the global generators differ, as in a run."""
    target = ShuffleBatchNorm(groups=4).prepare(network())
    torch.manual_seed(rank + 20)
    outputs = ShuffleBatchNorm(groups=4)(target, inputs_of(rank))
    return {"outputs": outputs, "state": target.state_dict()}


def test_one_process_shuffles_into_virtual_groups() -> None:
    order = torch.randperm(BATCH, generator=torch.Generator().manual_seed(20))
    everything, maps = inputs_of(0), torch.empty(BATCH, 4, 2, 2)
    for group in range(4):
        rows = order[group::4]
        # Samples meet in BatchNorm only, so each group may have a network of its own.
        maps[rows] = network()[0](everything[rows]).detach()
    outputs = network()[1:](maps).detach()  # BatchNorm1d sees the whole batch
    torch.testing.assert_close(shuffled(0)["outputs"], outputs, atol=1e-5, rtol=1e-4)


def test_shuffling_depends_on_the_generator_and_gives_no_gradient() -> None:
    shuffle = ShuffleBatchNorm(groups=4)
    target = shuffle.prepare(network())
    torch.manual_seed(0)
    first, second = shuffle(target, inputs_of(0)), shuffle(target, inputs_of(0))
    assert not torch.allclose(first, second)
    assert not first.requires_grad


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.save(shuffled(rank), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_shuffle_over_both(tmp_path: Path) -> None:
    torch.multiprocessing.set_forkserver_preload([__name__])
    start_processes(_process, (str(tmp_path),), nprocs=2, start_method="forkserver")
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    everything = torch.cat([inputs_of(0), inputs_of(1)])
    order = torch.randperm(2 * BATCH, generator=torch.Generator().manual_seed(20))  # the first rank's
    outputs = torch.empty(2 * BATCH, 5)
    for rank, rows in enumerate(order.view(2, -1)):
        plain = network()  # a rank's share is one group: no virtual ones within
        outputs[rows] = plain(everything[rows]).detach()
        torch.testing.assert_close(results[rank]["state"], plain.state_dict())
    torch.testing.assert_close(torch.cat([one["outputs"] for one in results]), outputs)
