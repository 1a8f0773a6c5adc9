"""Citation, shopping and co-author graphs, through PyTorch Geometric's own loaders.

The loaders know where a graph is published and how its folder is laid out. They would also write beside a user's files
and make the word counts dense (1.2 GB for Physics), so they are given a scratch folder to write in, and the large ones
have their features read as they are stored: sparse.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
import zlib
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from kangen.distill.data import splits
from kangen.distill.data.neighbours import undirected
from kangen.distill.data.nodes import NodeData
from kangen.distill.errors import InputError
from kangen.distill.files import read_bytes


@dataclass(frozen=True)
class Published:
    loader: str  # the class in torch_geometric.datasets
    title: str
    files: tuple[str, ...]  # in raw/, in the order in which they are hashed
    nodes: int
    edges: int  # each direction counted
    features: int
    classes: tuple[str, ...]
    sha256: str = ""  # of the files one after another, where they are pickles

    @property
    def folder(self) -> Path:
        return Path(self.loader.lower(), self.title, "raw")

    @property
    def origin(self) -> str:
        return {
            "Planetoid": "citation graph, kimiyoung/planetoid",
            "Amazon": "products bought together, shchur/gnn-benchmark",
            "Coauthor": "co-authors, shchur/gnn-benchmark",
        }[self.loader]


def _planetoid(title: str) -> tuple[str, ...]:
    parts = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
    return tuple(f"ind.{title.lower()}.{part}" for part in parts)


def _unnamed(count: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(count))


_CORA = (
    "theory",
    "reinforcement learning",
    "genetic algorithms",
    "neural networks",
    "probabilistic methods",
    "case based",
    "rule learning",
)
_CITESEER = (
    "artificial intelligence",
    "machine learning",
    "information retrieval",
    "databases",
    "agents",
    "human-computer interaction",
)
GRAPHS = {
    "cora": Published(
        *("Planetoid", "Cora", _planetoid("Cora"), 2_708, 10_556, 1_433, _CORA),
        sha256="0ce1f9117972bdd087a19062d3decca8abfdfef042468c282c2b977642e057dd",
    ),
    "citeseer": Published(
        *("Planetoid", "CiteSeer", _planetoid("CiteSeer"), 3_327, 9_104, 3_703, _CITESEER),
        sha256="cbadbc965a18fe92dd73960a02a21e4e098723aebcdbe7e03c407a3971644413",
    ),
    "pubmed": Published(
        *("Planetoid", "PubMed", _planetoid("PubMed"), 19_717, 88_648, 500, _unnamed(3)),
        sha256="34aaa088b00e246edbc2a4ab7c320063b5b07fc3b9839d5540a663f867238d4a",
    ),
    "photo": Published("Amazon", "Photo", ("amazon_electronics_photo.npz",), 7_650, 238_162, 745, _unnamed(8)),
    "computers": Published(
        "Amazon", "Computers", ("amazon_electronics_computers.npz",), 13_752, 491_722, 767, _unnamed(10)
    ),
    "cs": Published("Coauthor", "CS", ("ms_academic_cs.npz",), 18_333, 163_788, 6_805, _unnamed(15)),
    "physics": Published("Coauthor", "Physics", ("ms_academic_phy.npz",), 34_493, 495_924, 8_415, _unnamed(5)),
}


def load(name: str, *, root: Path | None, cache: Path, seed: int, labels: int, inductive: bool) -> NodeData:
    """The graph from ``root``, which is only read, or from the cache, which is filled by a download."""
    graph = GRAPHS[name]
    public = graph.loader == "Planetoid"
    if public and labels != splits.LABELS:
        raise InputError(
            f"{graph.title} has its public split of {splits.LABELS} labels a class, not {labels}: "
            f"leave the number of labels at {splits.LABELS}"
        )
    raw, missing = _locate(graph, root or cache / "graphs")
    if missing and root is not None:
        raise InputError(
            f"{root} has no {graph.folder / missing[0]}: give the folder that holds {graph.folder}, "
            "or no data root at all to download it"
        )
    data, digest = _download(graph, raw) if missing else _read(graph, raw)
    x = _features(data)
    y = data.y.numpy().astype(np.int64)
    source, target = data.edge_index.numpy().astype(np.int64)
    if public:
        train, val, test = (data[f"{part}_mask"].numpy() for part in ("train", "val", "test"))
        split = splits.Split(train, val, test, np.ones(len(y), bool))
    else:
        split = splits.by_budget(y, labels, seed)
    if inductive:
        split = splits.hide(split, seed)
    drawn = "public" if public else f"{labels} labels a class, seed {seed}"
    return NodeData(
        name=name,
        x=x,
        y=y,
        edge_index=undirected(source, target, len(y)),
        train=split.train,
        val=split.val,
        test=split.test,
        observed=split.observed,
        class_names=graph.classes,
        feature_names=tuple(f"word {number}" for number in range(x.shape[1])),
        standardise=False,
        provenance={
            "data": f"{graph.title}, {graph.origin}",
            "source": f"sha256:{digest}",
            "split": f"{drawn}, inductive, seed {seed}" if inductive else f"{drawn}, transductive",
        },
    )


def _locate(graph: Published, base: Path) -> tuple[Path, list[str]]:
    raw = base / graph.folder
    return raw, [file for file in graph.files if not (raw / file).is_file()]


def _download(graph: Published, raw: Path) -> tuple[Any, str]:
    """Fetch into a folder beside the cache and keep the files only when they could be read to the end."""
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=raw.parent) as staging:
            result = _read(graph, Path(staging))
            for file in graph.files:
                Path(staging, file).replace(raw / file)
    except OSError as error:
        raise InputError(
            f"cannot keep {graph.title} in {raw}: {error.strerror or error}; free some space or choose another cache"
        ) from error
    return result


def _read(graph: Published, raw: Path) -> tuple[Any, str]:
    """PyG's Data object, made by PyG's loader from the files in ``raw``, and the hash of these files."""
    from torch_geometric import datasets

    digests = []

    class Loader(getattr(datasets, graph.loader)):  # type: ignore[misc]
        raw_dir = property(lambda _: str(raw))
        processed_dir = property(lambda _: scratch)

        def download(self) -> None:
            try:
                super().download()
            except Exception as error:  # whatever the many layers below raise, it is the same to the user
                raise InputError(
                    f"cannot download {graph.title} ({_first_line(error)}): check the connection, or give a data root "
                    f"that holds {graph.folder}"
                ) from error

        def process(self) -> None:
            digests.append(_verified(graph, raw))
            if graph.sha256:
                super().process()
            else:
                self.save([_sparse_graph(raw / graph.files[0])], self.processed_paths[0])

    complete = all((raw / file).is_file() for file in graph.files)
    quiet = redirect_stderr(io.StringIO()) if complete else nullcontext()  # a download may say that it goes on
    with tempfile.TemporaryDirectory() as scratch, quiet:
        try:
            data = Loader(str(raw), graph.title)[0]
        except (ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"{raw / graph.files[0]} is damaged ({_first_line(error)}): put the published file in its place"
            ) from error
    shape = (data.num_nodes, data.num_features or data.vocabulary, int(data.y.max()) + 1)
    if shape != (graph.nodes, graph.features, len(graph.classes)):
        raise InputError(
            f"{raw / graph.files[0]} is not {graph.title}: it has {shape[0]} nodes, {shape[1]} features and {shape[2]} "
            f"classes instead of {graph.nodes}, {graph.features} and {len(graph.classes)}; put the published file "
            "in its place"
        )
    return data, digests[0]


def _verified(graph: Published, raw: Path) -> str:
    """The hash of the files. Planetoid's are pickles: they are opened only when they are the published ones."""
    digest = hashlib.sha256()
    for file in graph.files:
        digest.update(read_bytes(raw / file, "check the data root"))
    if graph.sha256 and digest.hexdigest() != graph.sha256:
        raise InputError(
            f"{raw} does not hold the published files of {graph.title} (sha256 {digest.hexdigest()[:16]}…, expected "
            f"{graph.sha256[:16]}…); pickles of unknown origin are not opened: put the published files in their place"
        )
    return digest.hexdigest()


def _sparse_graph(path: Path) -> Any:
    """What PyG's ``read_npz`` gives, words made 0 or 1 and edges undirected, without the dense matrix between."""
    import torch
    from torch_geometric.data import Data

    with np.load(path, allow_pickle=False) as stored:
        part = {key: stored[key] for key in stored.files}
    words = sp.csr_matrix((part["attr_data"], part["attr_indices"], part["attr_indptr"]), part["attr_shape"])
    words.check_format(full_check=True)
    words = sp.csr_matrix(words > 0, dtype=np.float32)
    links = sp.csr_matrix((part["adj_data"], part["adj_indices"], part["adj_indptr"]), part["adj_shape"])
    links.check_format(full_check=True)
    links = links.tocoo()
    edges = undirected(links.row.astype(np.int64), links.col.astype(np.int64), words.shape[0])
    return Data(
        words=torch.from_numpy(words.data),
        word_indices=torch.from_numpy(words.indices),
        word_pointers=torch.from_numpy(words.indptr),
        vocabulary=int(words.shape[1]),
        num_nodes=int(words.shape[0]),
        edge_index=torch.from_numpy(edges),
        y=torch.from_numpy(part["labels"].astype(np.int64)),
    )


def _features(data: Any) -> sp.csr_matrix:
    if "x" in data:
        return sp.csr_matrix(data.x.numpy())
    parts = tuple(part.numpy() for part in (data.words, data.word_indices, data.word_pointers))
    return sp.csr_matrix(parts, shape=(data.num_nodes, data.vocabulary))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
