"""Any Gymnasium environment as a task: the compiled program talks to it in every step.

The environments of all replicates run in one process of their own (`bgrl.bridge.serve`). In every
step the program sends its number and seed and, for each replicate, whether to start a trial and the
action; it receives reward, terminated, truncated, whether a trial was started, and the observation. Where
a trial is terminated the environment starts the next one at once, and the observation is the first of it,
as in every task. Where it is only truncated, the observation is its last, and the next request starts a
trial (unless the task does not bootstrap, see `bgrl.tasks.base`).

The two processes share a piece of memory: counters of requests and answers, and the numbers. Each waits
for the other's counter, awake while the program runs, since being woken would take longer than a step;
a pipe wakes the environments when a program starts, and tells either side that the other is gone.

Every trial starts from a seed of its own, a function of the run's seed, the replicate and the step. An
environment's own state is not in the state of a run: a run that is resumed after a kill starts a new
trial in a closing step; the one that was cut short is in no list of trials.

If an environment raises, or answers what its spaces do not allow, the process writes why in one line and
ends; so the program learns that it is gone, and `EnvironmentFailed` says why.
"""
