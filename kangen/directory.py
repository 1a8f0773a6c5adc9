"""The build directory: what it holds, how it is replaced whole or not at all, and how it is read back."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kangen.distill.errors import InputError
from kangen.distill.files import read_json, write_atomic

FORMAT = "kangen-build-1"
PROGRAM, SAMPLES, REPORT = "program.safetensors", "samples.safetensors", "REPORT.html"
CURE = "build it again with 'kangen build'"
ABANDONED_SECONDS = 3600  # writing takes seconds: a part this old was left by a killed build


def digest(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def check_free(place: Path) -> None:
    """Refuse a place that holds anything that a rebuild would destroy and kangen did not write."""
    for above in place.parents:
        if above.exists() and not above.is_dir():
            raise InputError(f"{above} is a file, not a folder; choose another --out")
    restore(place)
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise InputError(f"{place} is not a folder; choose another --out or --name")
    if not place.exists():
        return
    found = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if not path.is_dir())
    if not found:
        return
    manifest = manifest_path(place)
    if manifest is None:
        raise InputError(f"{place} exists and is not a kangen build; choose another --out or --name, or move it away")
    try:
        known = {manifest.name, *read_manifest(place)["files"]}
    except InputError as error:
        raise InputError(f"{place} cannot be replaced: {manifest} is damaged; move the folder away") from error
    foreign = sorted(set(found) - known)
    if foreign:
        raise InputError(
            f"{place} holds '{foreign[0]}', which kangen did not write and a new build would delete; move it away"
        )


def replace(place: Path, files: Mapping[str, bytes]) -> None:
    """Put the files at ``place``, instead of the build that may be there; a failure leaves that one untouched."""
    check_free(place)
    fresh = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        fresh = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.new-"))
        fresh.chmod(0o755)
        for name, content in files.items():
            write_atomic(fresh / name, content)
        _swap(fresh, place)
    except BaseException as error:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise InputError(f"cannot write {place}: {reason}; choose another --out or free some space") from error
        raise


def _previous(place: Path) -> Path:
    return place.with_name(f".{place.name}.previous")


def _swap(fresh: Path, place: Path) -> None:
    previous = _previous(place)
    if previous.exists():
        shutil.rmtree(previous)
    if place.exists():
        place.rename(previous)
    try:
        fresh.rename(place)
    except BaseException:
        restore(place)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def restore(place: Path) -> None:
    """Put the old build back where a kill struck between the two renames."""
    if not place.exists() and _previous(place).is_dir():
        _previous(place).rename(place)


def _sweep(place: Path) -> None:
    for part in place.parent.glob(f".{place.name}.new-*"):
        if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(part, ignore_errors=True)


def manifest_path(place: Path) -> Path | None:
    """NAME.json, whatever the folder is called by now."""
    found = sorted(place.glob("*.json"))
    return found[0] if len(found) == 1 else None


def builds_in(folder: Path) -> list[Path]:
    """The builds below a folder."""
    if not folder.is_dir():
        return []
    return sorted(child for child in folder.iterdir() if (child / PROGRAM).is_file() and child.name[0] != ".")


def find(place: Path) -> Path:
    """The build directory that the user means; an error that says what is there instead."""
    restore(place)
    if not place.is_dir():
        raise InputError(f"{place} does not exist or is not a folder; make a build with 'kangen build'")
    if manifest_path(place) is None:
        near = builds_in(place)
        cure = f"did you mean '{near[0]}'?" if near else CURE
        raise InputError(f"{place} is not a kangen build (it has no manifest NAME.json); {cure}")
    return place


def read_manifest(place: Path) -> dict[str, Any]:
    path = manifest_path(find(place))
    assert path is not None  # noqa: S101 - find has looked
    manifest = read_json(path, CURE)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} is not of format {FORMAT}; {CURE}, or move the folder away")
    missing = [key for key in ("name", "identity", "files", "targets", "model", "accuracy") if key not in manifest]
    if missing or not isinstance(manifest["files"], dict) or not isinstance(manifest["targets"], dict):
        raise InputError(f"{path} is damaged (no usable '{(missing or ['files'])[0]}'); {CURE}")
    return manifest
