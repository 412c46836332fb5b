"""One request to a task outside of the program and one answer, see `bgrl.bridge`."""

from dataclasses import dataclass, field

import numpy as np

from bgrl.bridge.connection import message_sizes
from bgrl.errors import InputError
from bgrl.step.operation import Operation

#: The program's side of a `Connection`.
HEADER = """
#pragma once
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
namespace bgrl {
inline int told(const char* name) { return std::atoi(std::getenv(name)); }
struct shared_memory {
    double *request, *answer;
    const int asked = told("BGRL_ASKED"), answered = told("BGRL_ANSWERED");
    const std::chrono::microseconds awake{told("BGRL_AWAKE")};

    shared_memory(size_t requests, size_t answers) {
        const size_t bytes = 8*(requests + answers);
        request = (double*)mmap(
            nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, told("BGRL_SHARED"), 0);
        if (request == MAP_FAILED) std::exit(7);
        answer = request + requests;
        signal(SIGPIPE, SIG_IGN);
    }
    // False if the environments are gone.
    bool exchange() {
        char word = '!';
        if (write(asked, &word, 1) != 1) return false;
        const auto until = std::chrono::steady_clock::now() + awake;
        struct pollfd looks = {answered, POLLIN, 0};
        while (std::chrono::steady_clock::now() < until && poll(&looks, 1, 0) == 0) sched_yield();
        return read(answered, &word, 1) == 1;
    }
};
}
"""


@dataclass(frozen=True, eq=False)
class Exchange(Operation):
    """One request and one answer, before the task's own code.

    Attributes
    ----------
    actions : int
        Numbers that an action consists of.
    told : int
        Variables of the task, all of which are told by the environment.
    waits : bool
        Whether the next trial waits for the next step where one is truncated.
    connection : dict
        Holds the `Connection` under "open" while a program runs in this process.
    """

    actions: int
    told: int
    waits: bool
    connection: dict = field(default_factory=dict)

    def _told(self):
        outcome = ("task.told_reward", "task.told_terminated", "task.told_truncated")
        return [*outcome, "task.restart", *(f"task.told_{i}" for i in range(self.told - 3))]

    def __str__(self):
        return f"send policy.action; receive {', '.join(self._told())}"

    def arrays(self):
        """See `Operation`."""
        return ["clock.timestep", "task.seed", "policy.action", *self._told()]

    def run(self, arrays):
        """See `Operation`."""
        words = np.empty((self.replicates, 1 + self.actions))
        words[:, 0] = arrays("task.restart")
        words[:, 1:] = arrays("policy.action").reshape(self.replicates, self.actions)
        step, seed = (arrays(name).item() for name in ("clock.timestep", "task.seed"))
        told = self._told()
        answer = self.connection["open"].exchange(np.append([step, seed, self.waits], words))
        for name, column in zip(told, answer.reshape(self.replicates, -1).T, strict=True):
            arrays(name)[...] = column

    def cpp(self, pointer):
        """See `Operation`."""
        words, told = 1 + self.actions, self._told()
        n = self.replicates
        sizes = ", ".join(map(str, message_sizes(n, self.actions, self.told - 3)))
        actions = (
            f"for (int k = 0; k < {self.actions}; k++) "
            f"sent[3 + r*{words} + 1 + k] = {pointer('policy.action')}[r*{self.actions} + k];"
        )
        found = "\n".join(
            f"{pointer(name)}[r] = told[r*{len(told)} + {k}];" for k, name in enumerate(told)
        )
        return f"""
            static shared_memory shared({sizes});
            double *sent = shared.request, *told = shared.answer;
            sent[0] = {pointer("clock.timestep")}[0];
            sent[1] = {pointer("task.seed")}[0];
            sent[2] = {int(self.waits)};
            for (int r = 0; r < {n}; r++) {{
                sent[3 + r*{words}] = {pointer("task.restart")}[r];
                {actions}
            }}
            if (!shared.exchange()) std::exit(6);
            for (int r = 0; r < {n}; r++) {{
                {found}
            }}
        """

    def loops(self, array):
        """See `Operation`; what is outside of the program cannot be asked from a GPU."""
        raise InputError(
            "a Gymnasium environment is outside of the program, and a GPU cannot ask it; use --backend "
            "cpp"
        )
