"""Published graphs: PyG's loaders, sparse features, folders that are only read, one line when something is wrong."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from kangen.distill.data import graphs
from kangen.distill.data.nodes import NodeData
from kangen.distill.data.registry import describe, load, user_cache
from kangen.distill.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


def stored(name: str) -> Path:
    """The data root, when it holds this graph."""
    graph = graphs.GRAPHS[name]
    if not (SHARED / graph.folder / graph.files[0]).is_file():
        pytest.skip(f"{graph.title} is not in ../shared/data")
    return SHARED


def write_photo(raw: Path, nodes: int = 400, words: int = 12) -> None:
    """A small graph in the layout of the published ones: a word counted twice, a self-loop, edges in one direction."""
    rng = np.random.default_rng(0)
    attr = sp.csr_matrix(rng.integers(0, 3, size=(nodes, words)) * (rng.random((nodes, words)) < 0.3), dtype=np.float32)
    ring = sp.coo_matrix((np.ones(nodes), (np.arange(nodes), np.roll(np.arange(nodes), -1))), (nodes, nodes)).tolil()
    ring[0, 0] = 1
    adj = ring.tocsr().astype(np.float32)
    raw.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Any] = {"labels": np.arange(nodes) % 4}
    for key, matrix in (("attr", attr), ("adj", adj)):
        parts |= {
            f"{key}_data": matrix.data,
            f"{key}_indices": matrix.indices,
            f"{key}_indptr": matrix.indptr,
            f"{key}_shape": np.array(matrix.shape),
        }
    np.savez(raw / "amazon_electronics_photo.npz", **parts)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data root with a small graph under the name of Photo."""
    small = dataclasses.replace(graphs.GRAPHS["photo"], nodes=400, edges=800, features=12, classes=("a", "b", "c", "d"))
    monkeypatch.setitem(graphs.GRAPHS, "photo", small)
    root = tmp_path / "root"
    write_photo(root / small.folder)
    return root


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path.relative_to(folder)), path.stat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["cora", "citeseer", "pubmed", "photo", "cs", "physics"])
def test_a_graph_has_the_published_size_and_its_features_stay_sparse(name: str) -> None:
    data, told = load(name, root=stored(name)), next(info for info in describe() if info.name == name)
    assert (data.nodes, data.edge_index.shape[1]) == (told.nodes, told.edges)
    assert (data.features, data.classes) == (told.features, told.classes)
    assert isinstance(data.x, sp.csr_matrix)
    assert data.x.dtype == np.float32
    assert data.binary == (name != "pubmed")  # PubMed's words are weighted, the others' are there or not
    assert not data.standardise
    assert data.feature_names[17] == "word 17"


@pytest.mark.parametrize("name", ["cora", "citeseer", "pubmed"])
def test_planetoid_keeps_its_public_split(name: str) -> None:
    data = load(name, root=stored(name))
    assert np.array_equal(np.bincount(data.y[data.train]), [20] * data.classes)
    assert (data.val.sum(), data.test.sum()) == (500, 1000)
    assert data.observed.all()


def test_cora_has_the_class_sizes_that_its_class_names_are_known_by() -> None:
    data = load("cora", root=stored("cora"))
    sizes = dict(zip(data.class_names, np.bincount(data.y), strict=True))
    assert sizes["neural networks"] == 818
    assert sizes["theory"] == 351
    assert sizes["rule learning"] == 180


def test_sparse_reading_gives_what_the_loader_of_pyg_gives(tmp_path: Path) -> None:
    from torch_geometric.datasets import Amazon

    shutil.copytree(stored("photo") / "amazon", tmp_path / "amazon")
    theirs, ours = Amazon(str(tmp_path / "amazon"), "Photo")[0], load("photo", root=SHARED)
    assert np.array_equal(theirs.x.numpy(), ours.x.toarray())
    assert np.array_equal(theirs.y.numpy(), ours.y)
    pairs = [set(map(tuple, edges.T.tolist())) for edges in (theirs.edge_index.numpy(), ours.edge_index)]
    assert pairs[0] == pairs[1]


def test_a_small_graph_is_read_whole(toy: Path) -> None:
    data = load("photo", root=toy)
    assert data.nodes == 400
    assert data.binary
    assert data.edge_index.shape == (2, 800)  # both directions, without the self-loop
    assert not (data.edge_index[0] == data.edge_index[1]).any()


def test_the_data_root_is_only_read(toy: Path) -> None:
    before = listing(toy)
    load("photo", root=toy)
    assert listing(toy) == before


def test_other_graphs_teach_with_20_a_class_and_validate_with_30_by_seed(toy: Path) -> None:
    one, other = load("photo", root=toy, seed=1), load("photo", root=toy, seed=2)
    assert np.array_equal(np.bincount(one.y[one.train]), [20] * 4)
    assert np.array_equal(np.bincount(one.y[one.val]), [30] * 4)
    assert np.array_equal(one.test, ~one.train & ~one.val)
    assert not np.array_equal(one.train, other.train)
    assert np.array_equal(one.train, load("photo", root=toy, seed=1).train)


def test_inductive_hides_a_fifth_of_the_test_nodes(toy: Path) -> None:
    seen, hidden = load("photo", root=toy), load("photo", root=toy, inductive=True)
    assert hidden.test.sum() == round(0.2 * seen.test.sum())
    assert np.array_equal(hidden.observed, ~hidden.test)
    assert np.array_equal(seen.train, hidden.train)
    assert np.array_equal(seen.edge_index, hidden.edge_index)


def test_a_download_is_kept_in_the_cache_and_used_again(
    toy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from torch_geometric.datasets import Amazon

    fetched: list[str] = []

    def fetch(self: Any) -> None:
        fetched.append(self.raw_dir)
        write_photo(Path(self.raw_dir))

    monkeypatch.setattr(Amazon, "download", fetch)
    first, second = (load("photo", cache=tmp_path / "cache") for _ in range(2))
    assert len(fetched) == 1
    assert same(first, second)
    raw = tmp_path / "cache" / "graphs" / "amazon" / "Photo" / "raw"
    assert [path.name for path in raw.iterdir()] == ["amazon_electronics_photo.npz"]
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


def same(one: NodeData, other: NodeData) -> bool:
    return one.provenance == other.provenance and (one.x != other.x).nnz == 0


@pytest.mark.parametrize("name", ["photo", "cora"])
def test_no_network_is_one_line_and_leaves_no_file(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch_geometric import datasets

    def unreachable(self: Any) -> None:
        Path(self.raw_dir, "half").write_bytes(b"half")
        raise OSError("no route\nand much more")

    monkeypatch.setattr(getattr(datasets, graphs.GRAPHS[name].loader), "download", unreachable)
    with pytest.raises(InputError, match=r"cannot download .* check the connection") as failure:
        load(name, cache=tmp_path)
    assert "\n" not in str(failure.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_that_cannot_be_read_is_not_kept(toy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch_geometric.datasets import Amazon

    def damaged(self: Any) -> None:
        Path(self.raw_dir, "amazon_electronics_photo.npz").write_bytes(b"<html>busy</html>")

    monkeypatch.setattr(Amazon, "download", damaged)
    with pytest.raises(InputError, match="damaged"):
        load("photo", cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_truncated_file_is_named(toy: Path) -> None:
    file = toy / graphs.GRAPHS["photo"].folder / "amazon_electronics_photo.npz"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"amazon_electronics_photo\.npz is damaged"):
        load("photo", root=toy)


def test_another_graph_under_a_known_name_is_refused(toy: Path) -> None:
    write_photo(toy / graphs.GRAPHS["photo"].folder, nodes=60)
    with pytest.raises(InputError, match="is not Photo: it has 60 nodes"):
        load("photo", root=toy)


def test_pickles_that_are_not_the_published_ones_are_not_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pickle

    raw = tmp_path / graphs.GRAPHS["cora"].folder
    raw.mkdir(parents=True)
    for file in graphs.GRAPHS["cora"].files:
        (raw / file).write_bytes(pickle.dumps([1, 2, 3]))
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    with pytest.raises(InputError, match="pickles of unknown origin are not opened"):
        load("cora", root=tmp_path)


def test_a_data_root_without_the_graph_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no amazon/Computers/raw/amazon_electronics_computers\.npz"):
        load("computers", root=tmp_path)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"name": "croa"}, "unknown data set 'croa': did you mean 'cora'?"),
        ({"name": "cora", "fold": 1}, "has no folds"),
        ({"name": "cora", "labels": 5}, "public split of 20 labels"),
        ({"name": "cora", "label": "y"}, "names a column of your own CSV"),
        ({"name": "watch", "group": "who"}, "names a column of your own CSV"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as failure:
        load(**request_)
    assert message in str(failure.value)


def test_the_cache_follows_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "kangen"
