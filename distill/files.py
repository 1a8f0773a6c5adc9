"""Files on disk: written whole or not at all, read with errors that name the file and the cure."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as pack_tensors

from kangen.distill.errors import InputError

Array = npt.NDArray[Any]


def write_atomic(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``: a reader, or a power cut, sees the old file or the new one, never a part."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise InputError(f"cannot write {path}: {reason}; choose another folder or free some space") from error
        raise


def json_bytes(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def write_json(path: Path, content: Any) -> None:
    write_atomic(path, json_bytes(content))


def read_bytes(path: Path, cure: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; {cure}") from error


def read_json(path: Path, cure: str) -> Any:
    try:
        return json.loads(read_bytes(path, cure))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}); {cure}") from error


def tensor_bytes(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file with equal bytes for equal content: its own metadata map has no order, so ours is one text."""
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    content: bytes = pack_tensors(arrays, {"kangen": json.dumps(dict(metadata), sort_keys=True)})
    return content


def write_tensors(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    write_atomic(path, tensor_bytes(tensors, metadata))


def read_tensors(path: Path, cure: str) -> tuple[dict[str, Array], dict[str, str]]:
    """All tensors and the metadata of a safetensors file; a damaged file is the user's to replace."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; {cure}")
    try:
        with safe_open(path, framework="numpy") as archive:
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 - an archive is no dict
            return tensors, json.loads((archive.metadata() or {}).get("kangen", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged or not a safetensors file ({error}); {cure}") from error
