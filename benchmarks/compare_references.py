"""Train lightly's SimCLR and MoCo as the comparison trains its methods, and evaluate them and PCA alike.

The clips, views, encoder, optimiser, schedule, batch size and epochs are those of our MoCo v2 in
``configs/compare``; losses, heads, memory bank and momentum update are lightly's. The loop is plain PyTorch.
PCA (whitened, scikit-learn) reduces the raw input. Run the comparison first: it writes the clips.
lightly is no dependency of this package:
`pip install --no-deps lightly==1.6.0 lightly_utils` first.

    python benchmarks/compare_references.py --data garments --seeds 1 2 3
"""

from __future__ import annotations

import argparse
import copy
import functools
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

import cli
from unlabelled.batch import Batch
from unlabelled.commands.compare.main import ROOT, find_data
from unlabelled.commands.compare.plan import Plan, read
from unlabelled.commands.compare.results import read_scores

CONFIGS = ROOT / "configs" / "compare"
LIKE = "moco"
DIM, HIDDEN, QUEUE, MOMENTUM, COMPONENTS = 64, 128, 128, 0.97, 32
Step = Callable[[Tensor, Tensor], Tensor]


class Built(cli.CLI):
    """The objects of a command line, without running it."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def simclr(encoder: nn.Module) -> tuple[Step, list[nn.Parameter]]:
    """Return lightly's SimCLR: the loss of two views, and its parameters."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead

    head = SimCLRProjectionHead(encoder.dim, HIDDEN, DIM)
    criterion = NTXentLoss(temperature=0.2)

    def step(first: Tensor, second: Tensor) -> Tensor:
        loss: Tensor = criterion(head(encoder(first)), head(encoder(second)))
        return loss

    return step, [*encoder.parameters(), *head.parameters()]


def moco(encoder: nn.Module) -> tuple[Step, list[nn.Parameter]]:
    """Return lightly's MoCo, symmetrical like ours: the loss of two views, and its parameters."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    head = MoCoProjectionHead(encoder.dim, HIDDEN, DIM)
    target, target_head = copy.deepcopy(encoder), copy.deepcopy(head)
    deactivate_requires_grad(target)
    deactivate_requires_grad(target_head)
    criterion = NTXentLoss(temperature=0.2, memory_bank_size=(QUEUE, DIM))

    def step(first: Tensor, second: Tensor) -> Tensor:
        update_momentum(encoder, target, MOMENTUM)
        update_momentum(head, target_head, MOMENTUM)
        losses = []
        for query, key in ((first, second), (second, first)):
            with torch.no_grad():
                keys = target_head(target(key))
            losses.append(criterion(head(encoder(query)), keys))
        return torch.stack(losses).mean()

    return step, [*encoder.parameters(), *head.parameters()]


REFERENCES = {"lightly's SimCLR, video": simclr, "lightly's MoCo, video": moco}


def train(name: str, plan: Plan, seed: int) -> Any:
    """Return the encoder that a reference has trained."""
    built = Built(["fit", *plan.fit_options(plan.method(LIKE)), f"--seed_everything={seed}"])
    data, encoder = built.datamodule, built.model.encoders["video"]
    data.setup("fit")
    step, parameters = REFERENCES[name](encoder)
    budget = read(CONFIGS / "budget.yaml")["model"]["init_args"]
    optimizer = torch.optim.AdamW(parameters, **budget["optimizer"]["init_args"])
    loader = data.train_dataloader()
    warmup = budget["scheduler"]["init_args"]["warmup_epochs"] * len(loader)
    total = plan.epochs * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda number: _rate(number, warmup, total))
    encoder.train()
    for batch in _batches(data, loader, plan.epochs):
        loss: Any = step(*batch["views"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return encoder


def _batches(data: Any, loader: Any, epochs: int) -> Iterator[Batch]:
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            yield data.pipeline.finish(batch)


def _rate(number: int, warmup: int, total: int) -> float:
    """Return the factor of the learning rate: linear, then a cosine to 0."""
    if number < warmup:
        return (number + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (number - warmup) / (total - warmup)))


def evaluate(encoder: nn.Module, plan: Plan, seed: int) -> dict[str, float]:
    """Return the scores of the protocol for frozen encoders."""
    with tempfile.TemporaryDirectory() as folder:
        weights = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
        torch.save({"state_dict": weights}, Path(folder, "encoder.ckpt"))
        protocol = Path(folder, "frozen.yaml")
        protocol.write_text(yaml.safe_dump(plan.frozen(plan.method(LIKE))), encoding="utf-8")
        options = [f"--config={path}" for path in (*plan.setting, protocol)]
        options += [f"--model.init_args.encoder_checkpoint={Path(folder, 'encoder.ckpt')}"]
        options += [
            f"--trainer.logger.init_args.save_dir={folder}",
            "--trainer.logger.init_args.version=test",
        ]
        if cli.main(["test", *options, f"--seed_everything={seed}"]) != 0:
            raise RuntimeError("the test ended with an error")
        return read_scores(Path(folder, "reference", "test"))


def pca_scores(plan: Plan, seed: int) -> dict[str, float]:
    """Return the scores of whitened PCA of the raw input, fitted to the training clips, by modality."""
    raw = plan.method("raw")
    built = Built(["test", *(f"--config={path}" for path in (*plan.setting, raw.path))])
    data = built.datamodule
    data.setup("test")
    (bank, labels), (queries, targets) = (
        _features(built.model, data, loader) for loader in (data.bank_dataloader(), data.test_dataloader())
    )
    scores = {}
    for name in bank:
        pca = PCA(COMPONENTS, whiten=True, random_state=seed).fit(bank[name])
        train, test = pca.transform(bank[name]), pca.transform(queries[name])
        found = KMeans(len(set(labels)), n_init=10, random_state=seed).fit_predict(test)
        nearest = KNeighborsClassifier(20, metric="cosine", weights="distance").fit(train, labels)
        linear = LogisticRegression(max_iter=1000).fit(train, labels)
        scores[f"kmeans/nmi_{name}"] = float(normalized_mutual_info_score(targets, found))
        scores[f"knn_accuracy_{name}"] = float(nearest.score(test, targets))
        scores[f"linear_accuracy_{name}"] = float(linear.score(test, targets))
    return scores


def _features(model: Any, data: Any, loader: Any) -> tuple[dict[str, Any], list[int]]:
    """Return the raw features ``(n, D)`` by modality, and n labels."""
    batches = [data.pipeline.finish(batch) for batch in loader]
    parts = [model.embed(batch) for batch in batches]
    labels = [int(label) for batch in batches for label in batch["label"]]
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}, labels


def _reference(name: str, plan: Plan, seed: int) -> dict[str, float]:
    return evaluate(train(name, plan, seed), plan, seed)


def main() -> None:
    """Print the mean and the standard deviation of each score over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="name of a file in configs/compare/data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    plan = Plan(CONFIGS, find_data(CONFIGS, args.data))
    jobs: dict[str, Callable[[int], dict[str, float]]] = {
        "PCA of raw input": lambda seed: pca_scores(plan, seed)
    }
    for name in REFERENCES:
        jobs[name] = functools.partial(_reference, name, plan)
    for name, job in jobs.items():
        runs = [job(seed) for seed in args.seeds]
        print(f"\n{name}, seeds {' '.join(map(str, args.seeds))}")
        for score in sorted(runs[0]):
            if score.startswith(("kmeans/nmi", "knn_accuracy", "linear_accuracy")):
                values = [run[score] for run in runs]
                spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
                print(f"  {score:<28}{statistics.mean(values):.3f}{spread}", flush=True)


if __name__ == "__main__":
    main()
