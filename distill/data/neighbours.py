"""Edges for nodes that come without any: neighbours in time, neighbours in feature space."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from kangen.distill.data.nodes import Floats, Ints, Mask


def undirected(source: Ints, target: Ints, nodes: int) -> Ints:
    """Edge list with both directions of every pair once, no self-loops, sorted by source and then target."""
    apart = source != target
    source, target = source[apart], target[apart]
    keys = np.unique(np.concatenate([source * nodes + target, target * nodes + source]))
    return np.stack([keys // nodes, keys % nodes]).astype(np.int64)


def in_time(recording: Ints, reach: int) -> Ints:
    """Each window tied to the next ``reach`` of its recording; the windows of a recording lie in order, together."""
    pairs = []
    for step in range(1, reach + 1):
        source = np.flatnonzero(recording[:-step] == recording[step:])
        pairs.append(np.stack([source, source + step]))
    source, target = np.concatenate(pairs, axis=1)
    return undirected(source, target, len(recording))


def in_feature_space(x: Floats | sp.csr_matrix, k: int, observed: Mask) -> Ints:
    """Each node tied to its ``k`` nearest: Euclidean on standardised measurements, by angle on sparse words.

    Observed nodes look for neighbours, and for the spread of a measurement, among observed nodes only: what training
    may see does not depend on what it may not see.
    """
    from sklearn.neighbors import NearestNeighbors  # slow to import, and not needed to list the data sets

    if sp.issparse(x):
        points, metric = x, "cosine"
    else:
        centre = x[observed].mean(axis=0, dtype=np.float64)
        spread = x[observed].std(axis=0, dtype=np.float64)
        points, metric = (x - centre) / np.where(spread > 0, spread, 1.0), "euclidean"
    nodes = int(x.shape[0])
    known, unseen = np.flatnonzero(observed), np.flatnonzero(~observed)
    search = NearestNeighbors(metric=metric).fit(points[known])
    among = search.kneighbors(n_neighbors=min(k, len(known) - 1), return_distance=False)  # a node is not its own
    source, target = [np.repeat(known, among.shape[1])], [known[among.reshape(-1)]]
    if len(unseen):
        everyone = NearestNeighbors(metric=metric).fit(points)
        among = everyone.kneighbors(points[unseen], n_neighbors=min(k + 1, nodes), return_distance=False)
        source.append(np.repeat(unseen, among.shape[1]))  # itself among them, which undirected() drops
        target.append(among.reshape(-1))
    return undirected(np.concatenate(source), np.concatenate(target), nodes)
