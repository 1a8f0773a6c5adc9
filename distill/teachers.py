"""The graph neural networks that teach: two layers each, written as PyTorch Geometric's examples are.

Every teacher maps features and an adjacency in CSR (rows gather from their columns) to its hidden representation and
its class scores. Features may be sparse; they then stay sparse.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from kangen.distill.data.nodes import Ints, Mask, NodeData, is_sparse


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Dropout that leaves sparse features sparse: a zero stays one, so only the stored values are drawn."""
    if x.layout is not torch.sparse_csr:
        return F.dropout(x, p, training)
    values = F.dropout(x.values(), p, training)
    return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), values, x.shape, check_invariants=False)


class GCN(nn.Module):
    r"""Kipf and Welling's graph convolutions, with :math:`\hat{\mathbf{A}} = \mathbf{A} + \mathbf{I}`:

    .. math::
        \mathbf{H}' = \hat{\mathbf{D}}^{-1/2}\hat{\mathbf{A}}\hat{\mathbf{D}}^{-1/2}\mathbf{H}\mathbf{\Theta}
    """

    def __init__(self, features: int, hidden: int, classes: int, p: float, sparse: bool) -> None:  # noqa: ARG002
        super().__init__()
        self.conv1 = GCNConv(features, hidden)
        self.conv2 = GCNConv(hidden, classes)
        self.p = p

    def forward(self, x: Tensor, adj: Tensor) -> tuple[Tensor, Tensor]:
        x = dropout(x, self.p, self.training)
        hidden = self.conv1(x, adj).relu()
        return hidden, self.conv2(F.dropout(hidden, self.p, self.training), adj)


class SAGE(nn.Module):
    r"""GraphSAGE by Hamilton and others, with the mean:

    .. math::
        \mathbf{h}_i' = \mathbf{W}_1\mathbf{h}_i + \mathbf{W}_2 \operatorname{mean}_{j \in N(i)} \mathbf{h}_j

    Sparse features are projected before they are averaged, because an average of sparse rows is no longer sparse.
    """

    def __init__(self, features: int, hidden: int, classes: int, p: float, sparse: bool) -> None:
        super().__init__()
        self.project = nn.Linear(features, hidden) if sparse else nn.Identity()
        self.conv1 = SAGEConv(hidden if sparse else features, hidden)
        self.conv2 = SAGEConv(hidden, classes)
        self.p = p

    def forward(self, x: Tensor, adj: Tensor) -> tuple[Tensor, Tensor]:
        x = self.project(dropout(x, self.p, self.training))
        hidden = self.conv1(x, adj).relu()
        return hidden, self.conv2(F.dropout(hidden, self.p, self.training), adj)


class GAT(nn.Module):
    r"""Graph attention by Veličković and others, eight heads and then one:

    .. math::
        \mathbf{h}_i' = \sum_{j} \alpha_{ij}\mathbf{\Theta}\mathbf{h}_j
    """

    HEADS = 8

    def __init__(self, features: int, hidden: int, classes: int, p: float, sparse: bool) -> None:  # noqa: ARG002
        super().__init__()
        width = max(1, hidden // self.HEADS)
        self.conv1 = GATConv(features, width, heads=self.HEADS, dropout=p)
        self.conv2 = GATConv(width * self.HEADS, classes, heads=1, dropout=p)
        self.p = p

    def forward(self, x: Tensor, adj: Tensor) -> tuple[Tensor, Tensor]:
        x = dropout(x, self.p, self.training)
        hidden = F.elu(self.conv1(x, adj))
        return hidden, self.conv2(F.dropout(hidden, self.p, self.training), adj)


TEACHERS: dict[str, type[GCN] | type[SAGE] | type[GAT]] = {"gat": GAT, "gcn": GCN, "sage": SAGE}


def teacher_features(data: NodeData) -> Tensor:
    """Measurements are centred and scaled by the observed nodes; word counts are divided by their sum."""
    if data.standardise:
        x = np.asarray(data.x.toarray() if is_sparse(data.x) else data.x, np.float64)
        mean, deviation = x[data.observed].mean(axis=0), x[data.observed].std(axis=0)
        x = np.where(deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6), (x - mean) / np.maximum(deviation, 1e-30), 0.0)
        return torch.from_numpy(x.astype(np.float32))
    rows = sp.csr_matrix(data.x, dtype=np.float32)
    total = np.asarray(np.abs(rows).sum(axis=1)).ravel()
    return csr_tensor(sp.diags(1 / np.maximum(total, 1e-12)) @ rows)


def adjacency(edge_index: Ints, seen: Mask) -> Tensor:
    """The edges among the nodes that may be seen; the others stay in place, alone."""
    kept = edge_index[:, seen[edge_index].all(axis=0)]
    matrix = sp.csr_matrix((np.ones(kept.shape[1]), (kept[1], kept[0])), shape=(len(seen), len(seen)))
    matrix.data[:] = 1  # an edge that is listed twice is one edge
    return csr_tensor(matrix)


def csr_tensor(matrix: sp.csr_matrix) -> Tensor:
    csr = sp.csr_matrix(matrix, dtype=np.float32)
    csr.sort_indices()
    indices = (torch.from_numpy(csr.indptr.astype(np.int64)), torch.from_numpy(csr.indices.astype(np.int64)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(*indices, torch.from_numpy(csr.data), csr.shape, check_invariants=False)
