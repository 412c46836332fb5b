"""A plain NumPy agent: one CT-RNN cortex with its two striata, the oracle of the tests.

Written from the equations, one agent and one step at a time, without anything of the package, so
that a slip in the generated code cannot hide in it. Shapes: n neurons, m actions, p inputs.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class ReferenceAgent:
    """Lemmel & Grosu (AAAI 2025), algorithm 1, for ``tau dh/dt = -h + tanh(W [x, h] + b)``.

    Parameters
    ----------
    W : array (n, p + n)
        Input and recurrent weights.
    bias, tau : array (n,)
        `tau` in task steps.
    W_actor, W_critic, b_critic : arrays (m, n), (n,), scalar
    B_actor, B_critic : arrays (m, n), (n,), or None
        Fixed feedback; the forward weights without it.
    settings : dict
        `mode` (rflo, snap1, rtrl), `optimizer` (sgd, adam), `gamma`, `lambda_actor`, `lambda_critic`,
        `lambda_rnn`, `lr_td`, `lr_rnn`, `eta_actor`, `entropy_rate`, `substeps`, `max_norm`.
    mask : array (n, p + n), optional
    """

    W: np.ndarray
    bias: np.ndarray
    tau: np.ndarray
    W_actor: np.ndarray
    W_critic: np.ndarray
    b_critic: float
    settings: dict
    B_actor: np.ndarray | None = None
    B_critic: np.ndarray | None = None
    mask: np.ndarray | None = None
    h: np.ndarray = None
    value: float = 0.0
    updates: int = 0
    moments: dict = field(default_factory=dict)

    def __post_init__(self):
        n, columns = self.W.shape
        self.h = np.zeros(n) if self.h is None else self.h
        self.mask = np.ones((n, columns)) if self.mask is None else self.mask
        self.J = {"W": np.zeros((n, n, columns)), "bias": np.zeros((n, n)), "tau": np.zeros((n, n))}
        self.e = {
            "W": np.zeros((n, columns)),
            "bias": np.zeros(n),
            "tau": np.zeros(n),
            "W_actor": np.zeros_like(self.W_actor),
            "W_critic": np.zeros(n),
            "b_critic": 0.0,
        }

    def step(self, x, reward, done, action):
        """One task step: cell, sensitivities, readout, TD error, update, traces.

        Parameters
        ----------
        x : array (p,)
            The whole external input.
        reward : float
        done : bool
            Whether `x` is the first input of a trial.
        action : int
            The action that is chosen in this step.

        Returns
        -------
        float
            The TD error.
        """
        s = self.settings
        if done:
            self.h = np.zeros_like(self.h)
            self.J = {key: np.zeros_like(J) for key, J in self.J.items()}
        for _ in range(s.get("substeps", 1)):
            self._cell(x)
        logits = self.W_actor @ self.h
        log_policy = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        policy = np.exp(log_policy)
        v = float(self.W_critic @ self.h + self.b_critic)
        td_error = reward + s["gamma"] * v * (1 - done) - self.value
        self.value = v
        entropy_slope = -policy * (log_policy - policy @ log_policy) * s["entropy_rate"]
        actor_slope = s["eta_actor"] * (np.eye(len(policy))[action] - policy)
        B_actor = self.W_actor if self.B_actor is None else self.B_actor
        B_critic = self.W_critic if self.B_critic is None else self.B_critic
        to_cortex = B_critic + actor_slope @ B_actor
        entropy = self._through_cortex(entropy_slope @ B_actor)
        entropy |= {"W_actor": np.outer(entropy_slope, self.h), "W_critic": 0.0, "b_critic": 0.0}
        gradient = self._through_cortex(to_cortex)
        gradient |= {
            "W_actor": np.outer(actor_slope, self.h),
            "W_critic": self.h.copy(),
            "b_critic": 1.0,
        }
        self._learn({key: td_error * self.e[key] + entropy[key] for key in self.e})
        traces = {
            "W_actor": "lambda_actor",
            "W_critic": "lambda_critic",
            "b_critic": "lambda_critic",
        }
        for key in self.e:
            decay = s["gamma"] * s[traces.get(key, "lambda_rnn")] * (1 - done)
            self.e[key] = decay * self.e[key] + gradient[key]
        return td_error

    def _cell(self, x):
        n = len(self.h)
        dt = 1 / self.settings.get("substeps", 1)
        z = np.concatenate([x, self.h])
        target = np.tanh((self.W * self.mask) @ z + self.bias)
        slope = dt * (1 - target**2) / self.tau
        jacobian = np.diag(1 - dt / self.tau)
        recurrent = slope[:, None] * (self.W * self.mask)[:, len(x) :]
        if self.settings["mode"] == "rtrl":
            jacobian = jacobian + recurrent
        elif self.settings["mode"] == "snap1":
            jacobian = jacobian + np.diag(np.diag(recurrent))
        own = np.arange(n)
        self.J = {key: np.tensordot(jacobian, J, 1) for key, J in self.J.items()}
        self.J["W"][own, own] += slope[:, None] * z * self.mask
        self.J["bias"][own, own] += slope
        self.J["tau"][own, own] -= dt * (target - self.h) / self.tau**2
        self.h = self.h + dt * (target - self.h) / self.tau

    def _through_cortex(self, signal):
        """Contract a learning signal with the sensitivities, over the state index."""
        return {key: np.tensordot(signal, J, 1) for key, J in self.J.items()}

    def _learn(self, gradients):
        s = self.settings
        if s.get("max_norm"):
            norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients.values()))
            scale = min(1.0, s["max_norm"] / norm) if norm > 0 else 1.0
            gradients = {key: scale * g for key, g in gradients.items()}
        self.updates += 1
        for key, gradient in gradients.items():
            if s["optimizer"] == "adam":
                first, second = self.moments.get(key, (0.0, 0.0))
                first = 0.9 * first + 0.1 * gradient
                second = 0.999 * second + 0.001 * np.square(gradient)
                self.moments[key] = first, second
                first = first / (1 - 0.9**self.updates)
                second = second / (1 - 0.999**self.updates)
                gradient = first / (np.sqrt(second) + 1e-8)
            rate = s["lr_rnn"] if key in ("W", "bias", "tau") else s["lr_td"]
            setattr(self, key, getattr(self, key) + rate * gradient)
        self.tau = np.maximum(self.tau, 1.0)
