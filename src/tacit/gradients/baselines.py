"""What a draw's log-weight is compared with: figures that do not depend on the draw."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from tacit._errors import UsageError
from tacit._typing import Array, Key, Scalar
from tacit.gradients._base import Memory
from tacit.networks import MLP, Linear

stop = jax.lax.stop_gradient


class AbstractBaseline(eqx.Module):
    """A figure b near the log-weights of a row, from (y, x) of that row and from past steps."""

    def init(self, key: Key, context: PyTree) -> Memory:
        """What it starts with; `context` is (y, x) of a batch of rows."""
        return Memory()

    @abc.abstractmethod
    def __call__(self, context: PyTree, memory: Memory) -> Scalar:
        """The figure, in nats."""

    def loss(self, context: PyTree, memory: Memory, reward: Scalar) -> Scalar | float:
        """What its own arrays are to lower, from the row's mean log-weight."""
        return 0.0

    def update(self, memory: Memory, reward: Scalar) -> PyTree:
        """What replaces its running figures."""
        return memory.running


class ConstantBaseline(AbstractBaseline):
    """The same figure for every row.

    >>> print(ConstantBaseline(-3.0)(None, Memory()))
    -3.0
    """

    value: float | Scalar = 0.0

    def __call__(self, context: PyTree, memory: Memory) -> Scalar:
        return jnp.asarray(self.value)


class Moments(NamedTuple):
    """Weighted sums of past log-weights; the weight grows from 0 to 1, and an average is their ratio."""

    weight: Scalar
    total: Scalar
    squares: Scalar  # squared distances from the average of the time

    @property
    def mean(self) -> Scalar:
        return self.total / jnp.maximum(self.weight, 1e-12)

    @property
    def scale(self) -> Scalar:
        """The standard deviation; 1 before the first two steps."""
        variance = self.squares / jnp.maximum(self.weight, 1e-12)
        return jnp.where(variance > 0, jnp.sqrt(jnp.maximum(variance, 1e-12)), 1.0)


class MovingAverage(AbstractBaseline):
    """The average of past log-weights over rows and steps, `decay` a step; that of the present step is not in it.

    Cost: none. Source: Mnih and Gregor 2014, section 2.3. It is 0 in the first step.

    >>> average = MovingAverage(decay=0.5)
    >>> memory = average.init(jax.random.key(0), None)
    >>> print(average(None, Memory(running=average.update(memory, jnp.array(-8.0)))))
    -8.0
    """

    decay: float | Scalar = 0.9

    def __check_init__(self) -> None:
        check_decay(self.decay, "MovingAverage")

    def init(self, key: Key, context: PyTree) -> Memory:
        return Memory(running=Moments(*jnp.zeros(3)))

    def __call__(self, context: PyTree, memory: Memory) -> Scalar:
        return memory.running.mean

    def update(self, memory: Memory, reward: Scalar) -> PyTree:
        past: Moments = memory.running
        seen = past.weight > 0
        squares = jnp.where(seen, (reward - past.mean) ** 2, 0.0)
        return jax.tree.map(
            lambda old, new: self.decay * old + (1 - self.decay) * new, past, Moments(jnp.ones(()), reward, squares)
        )


class NetworkBaseline(AbstractBaseline):
    """`m + s network(y, x)`, with m and s the average and the standard deviation of past log-weights.

    The network is trained by `((log w - b) / s)^2`: in units of s, so that its learning rate need not know the size
    of a log-weight. Cost: one small network a row. Source: Mnih and Gregor 2014, section 2.3.

    >>> baseline = NetworkBaseline(widths=(8,))
    >>> rows = (jnp.ones((2, 3)), None)
    >>> memory = baseline.init(jax.random.key(0), rows)
    >>> baseline((rows[0][0], None), memory).shape
    ()
    """

    widths: tuple[int, ...] = eqx.field(static=True, default=(64,))
    activation: str = eqx.field(static=True, default="silu")
    decay: float | Scalar = 0.9

    def __check_init__(self) -> None:
        check_decay(self.decay, "NetworkBaseline")

    def init(self, key: Key, context: PyTree) -> Memory:
        first: Any = jax.tree.map(lambda a: a[0], context)
        size = _inputs(first).shape[0]
        keys = jax.random.split(key)
        network = MLP.init(keys[0], size, self.widths, activation=self.activation)
        wide = size + (self.widths[-1] if self.widths else 0)  # the network hands its input on
        return Memory((network, Linear.init(keys[1], wide, 1, gain=0.1)), MovingAverage().init(key, context).running)

    def _standard(self, context: PyTree, memory: Memory) -> Scalar:
        network, head = memory.trained
        return head(network(_inputs(context)))[0]

    def __call__(self, context: PyTree, memory: Memory) -> Scalar:
        return memory.running.mean + memory.running.scale * self._standard(context, memory)

    def loss(self, context: PyTree, memory: Memory, reward: Scalar) -> Scalar:
        past: Moments = stop(memory.running)
        return ((reward - past.mean) / past.scale - self._standard(context, memory)) ** 2

    def update(self, memory: Memory, reward: Scalar) -> PyTree:
        return MovingAverage(self.decay).update(memory, reward)


class LearnedDensity(AbstractBaseline):
    """`log p_eta(y | x)`, a density of its own that is trained along by `- log p_eta(y | x)`.

    Where q is the exact posterior every full log-weight is `log p(y | x)`: what this baseline learns. `density` is
    any conditional whose distribution has `log_prob(y)`: independent columns, `Constant(Bernoulli(...))`; a small
    mixture, `Constant(FiniteMixture.of(...))`; an autoregressive network. Cost: one evaluation of it a row.

    The reward is the full log-weight with `ELBO()`, the default, and `log p(y | z, x)` with `ELBO(kl="closed")`. The
    first has the smaller variance from a quarter of the way to the posterior on, and none there (benchmarks, learned
    density); the second can only win while q is far off.

    >>> from tacit.distributions import Bernoulli
    >>> from tacit.models import Constant
    >>> baseline = LearnedDensity(Constant(Bernoulli(jnp.zeros(2))))
    >>> y = jnp.array([1.0, 0.0])
    >>> round(float(baseline((y, None), baseline.init(jax.random.key(0), None))), 4)
    -1.3863
    """

    density: Any  # AbstractConditional

    def init(self, key: Key, context: PyTree) -> Memory:
        return Memory(self.density)

    def __call__(self, context: PyTree, memory: Memory) -> Scalar:
        y, x = context
        return memory.trained(x).log_prob(y)

    def loss(self, context: PyTree, memory: Memory, reward: Scalar) -> Scalar:
        return -self(context, memory)


def check_decay(decay: Any, where: str) -> None:
    """Raise `UsageError` for a decay outside [0, 1); one that is an array is taken as it is."""
    if isinstance(decay, int | float) and not 0 <= decay < 1:
        raise UsageError(f"decay={decay!r} is not in [0, 1).", where=where, mend="Use a decay such as 0.9.")


def _inputs(context: PyTree) -> Array:
    """y, and x where there is one, as one vector."""
    y, x = context
    return jnp.ravel(y) if x is None else jnp.concatenate([jnp.ravel(y), jnp.ravel(x)])
