"""Small generated data sets and students that learn in a second."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from kangen.distill.data.nodes import NodeData
from kangen.distill.student import Student, StudentConfig, as_tensor


def toy_data(*, binary: bool = False, nodes: int = 600, seed: int = 0) -> NodeData:
    """Four classes of noisy measurements in very different units, or of words, tied to three nodes of their class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, nodes)
    if binary:
        likely = rng.random((4, 60)) ** 3
        x = sp.csr_matrix((rng.random((nodes, 60)) < likely[y]).astype(np.float32))
    else:
        centres = rng.normal(size=(4, 12))
        x = ((centres[y] + 1.2 * rng.normal(size=(nodes, 12)) + 5) * np.logspace(-2, 2, 12)).astype(np.float32)
    same = [rng.choice(np.flatnonzero(y == label), 3) for label in y]
    pairs = np.array([(a, b) for a, others in enumerate(same) for b in others if a != b]).T
    order = rng.permutation(nodes)
    masks = np.zeros((3, nodes), dtype=np.bool_)
    for mask, part in zip(masks, np.split(order, [nodes // 4, nodes // 2]), strict=True):
        mask[part] = True
    return NodeData(
        name="toy",
        x=x,
        y=y.astype(np.int64),
        edge_index=np.unique(np.concatenate((pairs, pairs[::-1]), axis=1), axis=1).astype(np.int64),
        train=masks[0],
        val=masks[1],
        test=masks[2],
        observed=np.ones(nodes, dtype=np.bool_),
        class_names=("rest", "walk", "run", "swim"),
        feature_names=tuple(f"feature {i}" for i in range(x.shape[1])),
        standardise=not binary,
    )


def toy_student(data: NodeData, hidden: tuple[int, ...] = (16,), harmonics: int = 3, steps: int = 60) -> Student:
    torch.manual_seed(0)
    config = StudentConfig(data.features, data.classes, hidden, harmonics, binary=data.binary)
    student = Student(config)
    x, y = as_tensor(data.x, config), torch.from_numpy(data.y)
    if data.standardise:
        student.fit_scaling(x)
    train = torch.from_numpy(data.train)
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = F.cross_entropy(student(x)[train], y[train])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return student.eval()
