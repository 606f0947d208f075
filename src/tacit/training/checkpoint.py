"""Where a long run is kept on disk, so that it can be continued after a stop."""

from __future__ import annotations

import glob
import hashlib
import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from tacit._device import placed
from tacit._errors import ModelFileError
from tacit._files import atomic_write

FORMAT = "tacit checkpoint 1"


class Checkpoint:
    """A file that `train` writes every so many seconds, and continues from where it exists.

    It holds arrays and nothing else (safetensors), with a fingerprint of the run they belong to: data, settings,
    and the structure of the model. A run that is continued gives the parameters of one that was never stopped. The
    file stays when training has ended: `train` with the same arguments then returns at once; with more epochs it
    goes on.

    Args:
        path: the file; it is replaced whole or not at all.
        every: seconds between two writes.
    """

    def __init__(self, path: str | Path, every: float = 60.0) -> None:
        self.path, self.every = Path(path), every
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._written >= self.every

    def save(self, tree: PyTree, fingerprint: str) -> None:
        """Write the arrays of a tree; raises `OutputError` where that fails."""
        from safetensors.numpy import save

        with atomic_write(self.path, force=True) as handle:
            handle.write(save(_named(tree), {"format": FORMAT, "run": fingerprint}))
        self._written = time.monotonic()

    def load(self, like: PyTree, fingerprint: str) -> Any:
        """The tree as it was kept, in the structure of `like`; None where there is no file.

        Raises `ModelFileError` where the file is damaged or belongs to another run.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        mend = "Continue with the same data, model and settings, or name another file."
        try:
            with safe_open(self.path, framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT or metadata.get("run") != fingerprint:
                    raise ModelFileError("this checkpoint is of another run.", where=str(self.path), mend=mend)
                kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise ModelFileError(f"cannot be read: {error}.", where=str(self.path), mend="Remove it.") from None
        if kept.keys() != _named(like).keys():
            raise ModelFileError("this checkpoint is of another run.", where=str(self.path), mend=mend)
        return _filled(like, kept)


class Checkpoints:
    """The checkpoints of a job of several trainings, one after another: `path.1`, `path.2`, and so on.

    Args:
        path: what their names begin with.
        every: seconds between two writes.
    """

    def __init__(self, path: str | Path, every: float = 60.0) -> None:
        self.path, self.every = Path(path), every
        self._trainings = 0

    def following(self) -> Checkpoint:
        """The checkpoint of the next training."""
        self._trainings += 1
        return Checkpoint(f"{self.path}.{self._trainings}", self.every)

    def exist(self) -> bool:
        """Whether there is one to go on from."""
        return bool(self._files())

    def remove(self) -> None:
        """Remove those that lie there."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        found = self.path.parent.glob(f"{glob.escape(self.path.name)}.*")
        return [path for path in found if path.suffix[1:].isdigit()]


def told(optimizer: Any) -> str:
    """The settings that the functions of an optimiser of Optax hold, which their representation does not tell.

    >>> import optax
    >>> told(optax.sgd(0.1)) == told(optax.sgd(0.1)), told(optax.sgd(0.1)) == told(optax.sgd(0.2))
    (True, False)
    """
    if eqx.is_array_like(optimizer) or isinstance(optimizer, str) or optimizer is None:
        return repr(np.asarray(_plain(optimizer)).tolist())
    if isinstance(optimizer, eqx.Module):
        return told(tuple(vars(optimizer).values()))
    if isinstance(optimizer, tuple | list):
        return f"({', '.join(told(part) for part in optimizer)})"
    if isinstance(optimizer, dict):
        return told(tuple(optimizer.items()))
    cells = getattr(optimizer, "__closure__", None) or ()
    held = [cell.cell_contents for cell in cells if cell.cell_contents is not optimizer]
    return f"{getattr(optimizer, '__qualname__', type(optimizer).__name__)}{told(tuple(held)) if held else ''}"


def fingerprint_of(whole: Any, shape: Any) -> str:
    """SHA-256 of a tree with every number in it, and of the structure and the shapes of another."""
    digest = hashlib.sha256()
    for tree, with_numbers in ((whole, True), (shape, False)):
        arrays, rest = eqx.partition(tree, eqx.is_array_like)
        digest.update(repr(rest).encode())
        for leaf in jax.tree.leaves(arrays):
            cells = np.asarray(_plain(leaf))
            digest.update(f"{cells.dtype}{cells.shape}".encode() + (cells.tobytes() if with_numbers else b""))
    return digest.hexdigest()


def _named(tree: PyTree) -> dict[str, np.ndarray]:
    """Every array of a tree by its place."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {jax.tree_util.keystr(path): np.array(_plain(leaf), order="C") for path, leaf in leaves}


def _filled(like: PyTree, kept: dict[str, np.ndarray]) -> Any:
    def fill(path: Any, leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        array = kept[jax.tree_util.keystr(path)]
        if isinstance(leaf, np.ndarray):
            return array
        return jax.random.wrap_key_data(placed(array)) if _is_key(leaf) else placed(array)

    return jax.tree_util.tree_map_with_path(fill, like)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> Any:
    """The numbers of an array; random keys are told by theirs."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf
