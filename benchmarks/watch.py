"""Teacher, labels-only student, SA-DSD student and its int8 Program on ``watch``: people never seen, several seeds.

    python benchmarks/watch.py                      # 5 folds x 3 seeds
    python benchmarks/watch.py --folds 0 --seeds 1  # a first impression

Finished rows of the same configuration are kept in results/watch.csv and not repeated.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kangen.distill.config import TrainConfig
from kangen.distill.files import write_atomic

RESULTS = Path(__file__).parent / "results"
MODELS = {
    "teacher": "GraphSAGE teacher",
    "labels": "student, labels only",
    "sadsd": "student, SA-DSD",
    "int8": "the same, as an int8 Program",
}
FIELDS = (
    *("fold", "seed", "labels_per_class", "config"),
    *MODELS,
    *(f"{model}_val" for model in MODELS),
    *("equal_labels", "finetuned", "seconds"),
)


def row(fold: int, seed: int, labels: int, config: TrainConfig, runs: Path) -> dict[str, Any]:
    """One fold and seed: accuracies in percent, and the share of test windows that int8 labels as float does."""
    import torch

    from kangen.codegen.lower import lower
    from kangen.distill.data.registry import load
    from kangen.distill.student import as_tensor
    from kangen.distill.training import train
    from kangen.request import DataRequest
    from kangen.runtimes import reference

    torch.set_num_threads(1)
    start = time.monotonic()
    data = load("watch", seed=seed, fold=fold, labels=labels)
    place = runs / f"{identity(config)}-{labels}" / f"fold{fold}-seed{seed}"
    request = DataRequest("watch", seed=seed, fold=fold, labels=labels).to_json()
    config = replace(config, seed=seed)
    distilled = train(data, config, place / "sadsd", data_request=request)
    alone = train(data, replace(config, method="labels"), place / "labels", data_request=request)
    lowered = lower(distilled.student, data, "watch", {})
    unseen = data.rows(data.test)
    codes = reference.run(lowered.program, unseen).labels
    with torch.no_grad():
        floats = distilled.student(as_tensor(unseen, distilled.student.config)).argmax(1).numpy()
    found = {
        "teacher": distilled.metrics["teacher"],
        "labels": alone.metrics["student"],
        "sadsd": distilled.metrics["student"],
        "int8": {"test": float((codes == data.y[data.test]).mean()), "val": lowered.int8_accuracy},
    }
    return {
        "fold": fold,
        "seed": seed,
        "labels_per_class": labels,
        "config": identity(config),
        **{model: f"{100 * found[model]['test']:.3f}" for model in MODELS},
        **{f"{model}_val": f"{100 * found[model]['val']:.3f}" for model in MODELS},
        "equal_labels": f"{100 * float((codes == floats).mean()):.3f}",
        "finetuned": int(lowered.finetuned),
        "seconds": f"{time.monotonic() - start:.1f}",
    }


def identity(config: TrainConfig) -> str:
    """Names a configuration, whatever its seed."""
    content = json.dumps(replace(config, seed=0).to_json(), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:10]


def read(path: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    if not path.exists():
        return {}
    with path.open(newline="") as stream:
        return {key(line): line for line in csv.DictReader(stream) if tuple(line) == FIELDS}


def key(line: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(line[name]) for name in ("config", "labels_per_class", "fold", "seed"))


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    rows = [",".join(FIELDS), *(",".join(str(line[name]) for name in FIELDS) for line in lines)]
    write_atomic(path, ("\n".join(rows) + "\n").encode())


def summary(lines: list[dict[str, Any]], command: str, minutes: float) -> str:
    """The table in Markdown. The deviation is that of the seeds' means over the folds, the sample's."""
    seeds = sorted({int(line["seed"]) for line in lines})
    values = {m: np.array([[float(x[m]) for x in lines if int(x["seed"]) == s] for s in seeds]) for m in MODELS}
    folds = sorted({int(line["fold"]) for line in lines})

    def mean(of: np.ndarray[Any, Any]) -> str:
        spread = f" ± {of.mean(axis=1).std(ddof=1):.2f}" if len(of) > 1 else ""
        return f"{of.mean():.2f}{spread}"

    text = [
        "# watch: people never seen",
        "",
        f"{len(folds)} folds of two unseen people, {len(seeds)} seeds, {lines[0]['labels_per_class']} labels a class; "
        "accuracy on the windows of the unseen people in percent, mean over the folds ± deviation between the seeds. "
        "The epoch of every model was chosen by its validation nodes. How the settings were chosen, and what that "
        "means for these figures, is said in docs/method.md.",
        "",
        f"| | mean | {' | '.join(f'fold {fold}' for fold in folds)} |",
        f"|---|---|{'---|' * len(folds)}",
    ]
    for model, title in MODELS.items():
        by_fold = " | ".join(f"{v:.1f}" for v in values[model].mean(axis=0))
        text.append(f"| {title} | {mean(values[model])} | {by_fold} |")
    text += [
        "",
        f"SA-DSD over its teacher: {mean(values['sadsd'] - values['teacher'])} points; "
        f"over labels only: {mean(values['sadsd'] - values['labels'])} points.",
        f"int8 over float: {mean(values['int8'] - values['sadsd'])} points; equal labels on "
        f"{np.mean([float(line['equal_labels']) for line in lines]):.2f} % of the test windows, "
        f"{min(float(line['equal_labels']) for line in lines):.2f} % in the worst row; "
        f"fine-tuned for int8: {sum(int(line['finetuned']) for line in lines)} of {len(lines)} rows.",
        "",
        f"    {command}",
        "",
        f"Training took {minutes:.1f} minutes of one core. Each row is in `watch.csv`.",
        "",
    ]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--seeds", type=int, default=3, help="how many, counted from 0")
    parser.add_argument("--labels", type=int, default=20, help="labelled windows a class")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark-watch"))
    arguments = parser.parse_args()

    config = TrainConfig()
    table, path = read(RESULTS / "watch.csv"), RESULTS / "watch.csv"
    wanted = [(fold, seed) for seed in range(arguments.seeds) for fold in arguments.folds]
    names = {(f, s): (identity(config), str(arguments.labels), str(f), str(s)) for f, s in wanted}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, mp_context=context) as pool:
        waiting = {
            pool.submit(row, fold, seed, arguments.labels, config, arguments.runs)
            for fold, seed in wanted
            if names[fold, seed] not in table
        }
        print(f"{len(wanted) - len(waiting)} rows are there, {len(waiting)} to do", flush=True)
        for done in as_completed(waiting):
            line = done.result()
            table[key(line)] = line
            current = [x for x in table.values() if x["config"] == identity(config)]
            write(path, sorted(current, key=lambda x: [int(x[n]) for n in ("labels_per_class", "seed", "fold")]))
            print("  ".join(f"{name} {line[name]}" for name in ("fold", "seed", *MODELS, "seconds")), flush=True)
    lines = [table[names[pair]] for pair in wanted]
    minutes = sum(float(line["seconds"]) for line in lines) / 60
    folds = " ".join(str(fold) for fold in arguments.folds)
    options = f"--folds {folds} --seeds {arguments.seeds} --labels {arguments.labels}"
    text = summary(lines, f"python benchmarks/watch.py {options}", minutes)
    write_atomic(RESULTS / "watch.md", text.encode())
    print("\n" + text)


if __name__ == "__main__":
    main()
