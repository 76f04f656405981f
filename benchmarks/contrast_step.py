"""Compare the time of a training step of MoCo v2 and SCE, and of its parts, with lightly's MoCo.

    python benchmarks/contrast_step.py [--batch 64 --queues 4096 65536 --rounds 5 --threads 2]

ResNet-18 with the stem for small images, 32x32, projector 512-512-128, SGD: target forward, online
forward, loss, backward, optimiser, EMA, queue; in float32 and under bfloat16 autocast. Data, augmentation and
Lightning's loop are left out for all. Rounds are paired and alternate in order: compare ratios, not
milliseconds. lightly is no dependency of this package: `pip install lightly==1.6.0` first; without it only
the steps of this package are timed. Memory is the peak of a separate process for each competitor (Linux).
"""

from __future__ import annotations

import argparse
import copy
import functools
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import resident, timed

from lightning_modules import SCE, MoCoV2, MomentumContrast
from unlabelled.encoders import ImageResNet
from unlabelled.losses import info_nce, soft_contrastive
from unlabelled.nn.heads import MLP
from unlabelled.nn.queue import FeatureQueue
from unlabelled.nn.target import update_target

Step = Callable[[Tensor, Tensor, bool], None]
MOMENTUM = 0.99
SGD = functools.partial(torch.optim.SGD, lr=0.06, momentum=0.9, weight_decay=5e-4)


def our_step(cls: type[MomentumContrast], queue_size: int) -> Step:
    """Return a training step of a method of this package, with the work of its callbacks."""
    head = functools.partial(MLP, hidden_dim=512, out_dim=128)
    method = cls(
        encoder=ImageResNet(18, small_images=True), optimizer=SGD, projector=head, queue_size=queue_size
    )
    method.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    optimizer = SGD([p for p in method.parameters() if p.requires_grad])
    queue = method.queues["image"]
    assert isinstance(queue, FeatureQueue)

    def step(weak: Tensor, strong: Tensor, bf16: bool = False) -> None:
        with torch.autocast("cpu", enabled=bf16):
            out = method.training_step({"views": [weak, strong]}, 0)
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
        update_target(method.target_pairs(), MOMENTUM)
        queue.push(torch.cat(out["keys"]["image"]))

    return step


def torchvision_net() -> nn.Module:
    """Return torchvision's ResNet-18 with the stem for small images."""
    net = resnet18()
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return nn.Sequential(*list(net.children())[:-1])


def lightly_net() -> nn.Module:
    """Return the ResNet-18 for small images of lightly's MoCo tutorial, without split BatchNorm."""
    from lightly.models import ResNetGenerator

    net = ResNetGenerator("resnet-18")
    return nn.Sequential(*list(net.children())[:-1], nn.AdaptiveAvgPool2d(1))


def lightly_step(network: Callable[[], nn.Module], queue_size: int) -> Step:
    """Return the step of lightly's MoCo example."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    backbone = network()
    head = MoCoProjectionHead(512, 512, 128)
    target, target_head = copy.deepcopy(backbone), copy.deepcopy(head)
    deactivate_requires_grad(target)
    deactivate_requires_grad(target_head)
    criterion = NTXentLoss(temperature=0.2, memory_bank_size=(queue_size, 128))
    optimizer = SGD([*backbone.parameters(), *head.parameters()])

    def step(weak: Tensor, strong: Tensor, bf16: bool = False) -> None:
        update_momentum(backbone, target, MOMENTUM)
        update_momentum(head, target_head, MOMENTUM)
        with torch.autocast("cpu", enabled=bf16):
            query = head(backbone(strong).flatten(1))
            with torch.no_grad():
                key = target_head(target(weak).flatten(1))
            loss = criterion(query, key)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


COMPETITORS: dict[str, Callable[[int], Step]] = {
    "MoCoV2": functools.partial(our_step, MoCoV2),
    "SCE": functools.partial(our_step, SCE),
    "lightly, torchvision's net": functools.partial(lightly_step, torchvision_net),
    "lightly, its own net": functools.partial(lightly_step, lightly_net),
}
RIVALS = [name for name in COMPETITORS if name.startswith("lightly")]


def main() -> None:
    """Print seconds and ratios of whole steps, seconds of the parts, and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--queues", type=int, nargs="+", default=[4096, 65536])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", nargs="+", choices=("32", "bf16"), default=["32", "bf16"])
    parser.add_argument("--memory-of", help="measure one competitor's peak memory and exit")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    views = (torch.randn(args.batch, 3, 32, 32), torch.randn(args.batch, 3, 32, 32))
    if args.memory_of:
        step = COMPETITORS[args.memory_of](args.queues[0])
        for _ in range(3):
            step(*views, args.precision == ["bf16"])
        print(resident("VmHWM"))
        return
    for queue_size in args.queues:
        for precision in args.precision:
            report(queue_size, views, precision, args)
        parts(queue_size, args.batch)


def report(queue_size: int, views: tuple[Tensor, Tensor], precision: str, args: argparse.Namespace) -> None:
    """Print the table of one queue size and precision."""
    names = [name for name in COMPETITORS if name not in RIVALS or _has_lightly()]
    steps = {name: COMPETITORS[name](queue_size) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(args.rounds + 1):  # the first round warms up
        for name in names if number % 2 else reversed(names):
            seconds, _ = timed(functools.partial(steps[name], *views, precision == "bf16"))
            if number:
                times[name].append(seconds)
    print(f"\nqueue {queue_size}, batch {args.batch}, {args.threads} threads, precision {precision}")
    for name in names:
        line = f"  {name:<28}{1e3 * statistics.median(times[name]):8.1f} ms/step"
        line += f"   peak {memory(name, queue_size, precision, args):6.0f} MiB"
        for rival in (rival for rival in RIVALS if rival in times and name not in RIVALS):
            ratios = [b / a for a, b in zip(times[name], times[rival], strict=True)]
            span = f"({min(ratios):.2f} to {max(ratios):.2f})"
            line += f"\n      {statistics.median(ratios):.2f} times as fast as {rival} {span}"
        print(line)


def parts(queue_size: int, batch: int) -> None:
    """Print the time of the parts without convolutions: loss with gradient, queue, EMA."""
    rows = [nn.functional.normalize(torch.randn(n, 128), dim=1) for n in (batch, batch, queue_size)]
    query = rows[0].requires_grad_()
    queue = FeatureQueue(queue_size, 128)
    encoder = ImageResNet(18, small_images=True)
    pairs = [(encoder, copy.deepcopy(encoder).requires_grad_(False))]
    numbers = sum(p.numel() for p in encoder.parameters())
    jobs: dict[str, Callable[[], object]] = {
        "InfoNCE + gradient": lambda: torch.autograd.grad(info_nce(query, rows[1], rows[2]).loss, query),
        "SCE + gradient": lambda: torch.autograd.grad(soft_contrastive(query, rows[1], rows[2]).loss, query),
        "queue": lambda: queue.push(rows[1]),
        "EMA": lambda: update_target(pairs, MOMENTUM),
    }
    seconds = {name: statistics.median(timed(job)[0] for _ in range(21)) for name, job in jobs.items()}
    for name, value in seconds.items():
        print(f"  {name:<20}{1e3 * value:8.2f} ms")
    limit = 3 * 4 * numbers / triad_bandwidth()
    ratio = seconds["EMA"] / limit
    print(f"  EMA / time to transfer its {numbers / 1e6:.1f} M numbers (read two, write one): {ratio:.2f}")
    together = seconds["SCE + gradient"] + seconds["queue"] + seconds["EMA"]
    print(f"  loss, queue and EMA together{1e3 * together:8.2f} ms")


def triad_bandwidth() -> float:
    """Return bytes per second of ``a = b + s * c`` over 3 x 256 MiB, best of 5."""
    a, b, c = (torch.ones(1 << 26) for _ in range(3))
    best = min(timed(lambda: torch.add(b, c, alpha=0.5, out=a))[0] for _ in range(5))
    return 3 * 4 * a.numel() / best


def memory(name: str, queue_size: int, precision: str, args: argparse.Namespace) -> float:
    """Return the peak memory in MiB of a new process that runs three steps."""
    command = [sys.executable, __file__, "--memory-of", name, "--queues", str(queue_size)]
    command += ["--batch", str(args.batch), "--threads", str(args.threads), "--precision", precision]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def _has_lightly() -> bool:
    try:
        import lightly.loss  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main()
