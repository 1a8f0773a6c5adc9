"""The default data set: seven shoulder exercises, seen by the accelerometer and the gyroscope of a smartwatch.

Ten people, both arms, 140 recordings at 50 Hz. A node is a window of two seconds, described by 57 statistics that a
microcontroller can gather while it samples; an edge ties windows that follow one another. The recordings come with the
package seglearn (BSD-3-Clause), whose file is read without importing it.

The left arm is the right one in a mirror, so three of the six axes change sign there (``MIRROR``); a watch knows on
which wrist it is worn. A firmware on the left wrist flips the same three signs before it gathers its statistics.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from kangen.distill.data import splits
from kangen.distill.data.neighbours import in_feature_space, in_time, undirected
from kangen.distill.data.nodes import Floats, NodeData
from kangen.distill.errors import InputError
from kangen.distill.files import read_bytes

PACKAGE = "seglearn"
VERSION = "1.2.5"
SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
INSTALL = "install it with: pip install 'kangen[demo]'"

WINDOW = 100  # samples: two seconds
HOP = 50
REACH = 2  # a window is tied to the next two of its recording

AXES = (("acc x", "g"), ("acc y", "g"), ("acc z", "g"), ("gyro x", "rad/s"), ("gyro y", "rad/s"), ("gyro z", "rad/s"))
MIRROR = np.array([-1.0, 1.0, 1.0, 1.0, -1.0, -1.0])  # acceleration is a vector, turning an axial one
PER_AXIS = ("mean", "deviation", "minimum", "maximum", "lower quartile", "upper quartile", "mean step")
PAIRS = ((0, 1), (0, 2), (1, 2))  # of the three axes of one sensor
EXERCISES = {
    "PEN": "pendulum",
    "ABD": "abduction",
    "FEL": "forward elevation",
    "IR": "internal rotation",
    "ER": "external rotation",
    "TRAP": "trapezius extension",
    "ROW": "upright row",
}

Signal = npt.NDArray[np.float64]


def load(*, seed: int, fold: int, labels: int, k: int = 0, validation: Literal["nodes", "group"] = "nodes") -> NodeData:
    """All windows; the two people of the fold are the test.

    ``k`` adds that many nearest neighbours in feature space to the neighbours in time.
    """
    recordings = _recordings()
    arms = zip(recordings["X"], recordings["side"], strict=True)
    windows = [_windows(signal if right else signal * MIRROR) for signal, right in arms]
    counts = [len(block) for block in windows]
    x = statistics(np.concatenate(windows))
    y = np.repeat(np.asarray(recordings["y"], np.int64), counts)
    person = np.repeat(np.asarray(recordings["subject"], np.int64), counts)
    split = splits.by_group(y, person, fold, labels, seed, validation=validation)
    edges = in_time(np.repeat(np.arange(len(counts)), counts), REACH)
    if k:
        source, target = np.concatenate([edges, in_feature_space(x, k, split.observed)], axis=1)
        edges = undirected(source, target, len(x))
    return NodeData(
        name="watch",
        x=x,
        y=y,
        edge_index=edges,
        train=split.train,
        val=split.val,
        test=split.test,
        observed=split.observed,
        class_names=tuple(EXERCISES[code] for code in recordings["y_labels"]),
        feature_names=feature_names(),
        standardise=True,
        groups=person,
        provenance={
            "data": f"watch, {PACKAGE} {VERSION}",
            "source": f"sha256:{SHA256}",
            "worn on": "the right arm; on the left one, negate acc x, gyro y and gyro z before anything else",
            "split": f"by person, fold {fold}, {labels} labels a class, seed {seed}",
        },
    )


def statistics(windows: Signal) -> Floats:
    """Windows [n, 100, 6] → statistics [n, 57], in the order of ``feature_names``.

    Of every axis: the mean; the deviation from it; the smallest and the largest sample; the quartiles, which are the
    26th and the 75th in order; the mean absolute step from one sample to the next; how often the signal crosses its
    mean. Of every pair of axes of one sensor: the correlation, 0 where an axis stands still. Of the length of the
    acceleration the deviation, of the length of the turning rate the mean and the deviation.
    """
    mean = windows.mean(axis=1)
    centred = windows - mean[:, None]
    deviation = np.sqrt((centred**2).mean(axis=1))
    ordered = np.sort(windows, axis=1)
    quarter = windows.shape[1] // 4
    step = np.abs(np.diff(windows, axis=1)).mean(axis=1)
    crossings = np.diff(centred >= 0, axis=1).sum(axis=1)
    quartiles = ordered[:, quarter], ordered[:, -1 - quarter]
    per_axis = (mean, deviation, ordered[:, 0], ordered[:, -1], *quartiles, step, crossings)
    columns = [np.stack(per_axis, axis=2).reshape(len(windows), -1)]
    for first in (0, 3):
        for a, b in PAIRS:
            shared = (centred[:, :, first + a] * centred[:, :, first + b]).mean(axis=1)
            scale = deviation[:, first + a] * deviation[:, first + b]
            columns.append(np.divide(shared, scale, out=np.zeros_like(shared), where=scale > 0))
    acceleration = np.sqrt((windows[:, :, :3] ** 2).sum(axis=2))
    turning = np.sqrt((windows[:, :, 3:] ** 2).sum(axis=2))
    columns += [acceleration.std(axis=1), turning.mean(axis=1), turning.std(axis=1)]
    return np.column_stack(columns).astype(np.float32)


def feature_names() -> tuple[str, ...]:
    names = []
    for axis, unit in AXES:
        names += [f"{axis} {statistic} [{unit}]" for statistic in PER_AXIS]
        names.append(f"{axis} crossings [per window]")
    for sensor in ("acc", "gyro"):
        names += [f"{sensor} {'xyz'[a]}-{'xyz'[b]} correlation [1]" for a, b in PAIRS]
    names += ["acc length deviation [g]", "gyro length mean [rad/s]", "gyro length deviation [rad/s]"]
    return tuple(names)


def _windows(signal: Signal) -> Signal:
    """A recording [samples, 6] → its windows [n, 100, 6]."""
    return sliding_window_view(signal, WINDOW, axis=0)[::HOP].transpose(0, 2, 1)


def _recordings() -> dict[str, Any]:
    """The package's pickled dictionary, opened only when its bytes are the ones that were read and trusted."""
    path = _find()
    content = read_bytes(path, INSTALL)
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise InputError(
            f"{path} is not the file of {PACKAGE} {VERSION} (sha256 {digest[:16]}…, expected {SHA256[:16]}…) and is "
            f"not opened; reinstall it with: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}"
        )
    recordings: dict[str, Any] = np.load(io.BytesIO(content), allow_pickle=True).item()
    return recordings


def _find() -> Path:
    try:
        files = importlib.metadata.distribution(PACKAGE).files or []
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"the smartwatch recordings come with the package {PACKAGE}; {INSTALL}") from None
    for file in files:
        if file.name == "watch_dataset.npy":
            return Path(str(file.locate()))
    raise InputError(f"the installed {PACKAGE} has no smartwatch recordings; {INSTALL}")
