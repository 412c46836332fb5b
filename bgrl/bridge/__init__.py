"""Any Gymnasium environment as a task: the compiled program talks to it in every step.

The environments of all replicates run in one process of their own (`bgrl.bridge.serve`). In every
step the program sends its number and seed and, for each replicate, whether to start a trial and the
action; it receives reward, terminated, truncated, whether a trial was started, and the observation. Where
a trial is terminated the environment starts the next one at once, and the observation is the first of it,
as in every task. Where it is only truncated, the observation is its last, and the next request starts a
trial (unless the task does not bootstrap, see `bgrl.tasks.base`).

The two processes share a piece of memory for the numbers, and two pipes: a byte says that a request, or
an answer, is complete, and the end of a pipe that the other side is gone. Since they work in turns, they
need one core. Where each can have one, whoever waits stays awake for a while, since being woken takes
longer than many a step; where the other processes of the run need the cores, it sleeps.

Every trial starts from a seed of its own, a function of the run's seed, the replicate and the step. An
environment's own state is not in the state of a run: a run that is resumed after a kill starts a new
trial in a closing step; the one that was cut short is in no list of trials.

If an environment raises, or answers what its spaces do not allow, the process writes why in one line and
ends; so the program learns that it is gone, and `EnvironmentFailed` says why.
"""
