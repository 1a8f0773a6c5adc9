"""The one shape that every data set is brought into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rows: TypeAlias = Floats | sp.csr_matrix  # features, row by row


def is_sparse(x: Rows) -> TypeGuard[sp.csr_matrix]:
    return bool(sp.issparse(x))


@dataclass(frozen=True)
class NodeData:
    """Nodes, their features and edges, and four masks that say who may use what.

    ``observed`` nodes, with the edges among them, may be seen in training, without labels. ``train`` are the observed
    nodes whose labels teach, ``val`` those whose labels choose between models, ``test`` those that are read once, at
    the end. A label of -1 is unknown.
    """

    name: str
    x: Rows  # [nodes, features], raw: as a device would measure them
    y: Ints  # [nodes]
    edge_index: Ints  # [2, edges], both directions, no self-loops
    train: Mask
    val: Mask
    test: Mask
    observed: Mask
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    standardise: bool  # dense measurements are centred and scaled; word counts are not
    groups: Ints | None = None  # [nodes], who a node belongs to (a person), where that matters
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        return int(self.x.shape[0])

    @property
    def features(self) -> int:
        return int(self.x.shape[1])

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def sparse(self) -> bool:
        return is_sparse(self.x)

    @cached_property
    def binary(self) -> bool:
        """Whether every feature is 0 or 1, so that an edge function has two values only."""
        values = self.x.data if self.sparse else self.x
        return bool(np.isin(values, (0.0, 1.0)).all())

    def rows(self, mask: Mask) -> Rows:
        return self.x[mask]
