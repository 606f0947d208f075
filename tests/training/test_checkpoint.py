"""A run that was stopped and continued is the run that was never stopped."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tacit._errors import ModelFileError
from tacit.gradients import Enumeration
from tacit.inference.optimizers import Descent
from tacit.training import Checkpoint, train
from tests.training.conftest import make_encoder, make_model

HELD = np.arange(0, 40, 5)
SETTINGS = {"optimizer": Descent(0.02), "batch_size": 16, "validation": HELD, "gradient": Enumeration()}


class Stopped(Exception):
    """What a person's interruption is here."""


def arrays(fitted) -> list[np.ndarray]:
    return [np.asarray(a) for a in jax.tree.leaves(eqx.filter((fitted.model, fitted.posterior), eqx.is_array))]


def fit(data, **settings):
    return train(make_model(), make_encoder(), data, key=jax.random.key(1), **SETTINGS | settings)


def test_a_run_that_was_stopped_goes_on_where_it_was(data, tmp_path) -> None:
    whole = fit(data, max_epochs=20)

    def stop(epoch) -> None:
        if epoch.number >= 6:
            raise Stopped

    checkpoint = Checkpoint(tmp_path / "run.ckpt", every=0.0)
    with pytest.raises(Stopped):
        fit(data, max_epochs=20, checkpoint=checkpoint, callbacks=[stop])
    seen = []
    continued = fit(data, max_epochs=20, checkpoint=checkpoint, callbacks=[lambda epoch: seen.append(epoch.number)])
    assert seen[0] > 1  # it did not begin anew
    np.testing.assert_array_equal(continued.training, whole.training)
    np.testing.assert_array_equal(continued.validation, whole.validation)
    assert continued.best_epoch == whole.best_epoch
    for one, two in zip(arrays(continued), arrays(whole), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_that_has_ended_returns_at_once_and_can_be_made_longer(data, tmp_path) -> None:
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    short = fit(data, max_epochs=5, checkpoint=checkpoint)
    again = fit(data, max_epochs=5, checkpoint=checkpoint)
    np.testing.assert_array_equal(again.validation, short.validation)
    longer = fit(data, max_epochs=9, checkpoint=checkpoint)
    np.testing.assert_array_equal(longer.validation, fit(data, max_epochs=9).validation)


def test_a_checkpoint_of_another_run_is_refused(data, tmp_path) -> None:
    path = tmp_path / "run.ckpt"
    fit(data, max_epochs=2, checkpoint=Checkpoint(path))
    with pytest.raises(ModelFileError, match="another run"):
        fit(data, max_epochs=2, checkpoint=Checkpoint(path), optimizer=Descent(0.03))
    with pytest.raises(ModelFileError, match="another run"):
        fit(data._replace(y=np.asarray(data.y) + 1), max_epochs=2, checkpoint=Checkpoint(path))
    with pytest.raises(ModelFileError, match="another run"):
        fit(data, max_epochs=2, checkpoint=Checkpoint(path), metrics={"nought": lambda *_: jnp.zeros(())})
    optax_path = tmp_path / "optax.ckpt"
    fit(data, max_epochs=2, checkpoint=Checkpoint(optax_path), optimizer=optax.adam(1e-2))
    with pytest.raises(ModelFileError, match="another run"):
        fit(data, max_epochs=2, checkpoint=Checkpoint(optax_path), optimizer=optax.adam(1e-4))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="cannot be read"):
        fit(data, max_epochs=2, checkpoint=Checkpoint(path))
