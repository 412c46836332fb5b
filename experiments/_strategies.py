"""Strategies to compare rapid adaptation with: how fast a bandit, or a maze, can be found out.

Each runs many trials at once in NumPy. What they know is said at each; none learns over trials.
"""

from collections import deque

import numpy as np

# Bandits ------------------------------------------------------------------------------------------


def thompson(successes, failures, rng, knows):
    """Draw each arm's probability from its posterior, beta(1, 1) at first, and take the best.

    Thompson 1933, Biometrika 25:285.
    """
    return rng.beta(1 + successes, 1 + failures).argmax(-1)


def ucb(successes, failures, rng, knows):
    """UCB1: each arm once, then the highest mean + sqrt(2 ln t / pulls).

    Auer, Cesa-Bianchi & Fischer 2002, Mach. Learn. 47:235.
    """
    pulls = successes + failures
    total = pulls.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = successes / pulls + np.sqrt(2 * np.log(total) / pulls)
    return _best(np.where(pulls == 0, np.inf, bound), rng)


def greedy(successes, failures, rng, knows):
    """The highest posterior mean, beta(1, 1) at first; ties are drawn."""
    return _best((1 + successes) / (2 + successes + failures), rng)


def ideal(successes, failures, rng, knows):
    """The arm that more probably pays, knowing that one pays with p and the other with 1 - p."""
    evidence = successes - failures
    return _best((2 * knows - 1) * evidence, rng)


def _best(values, rng):
    """Position of the largest value in each row; ties are drawn."""
    tied = values == values.max(-1, keepdims=True)
    return (rng.random(values.shape) * tied).argmax(-1)


#: Name to a function of the numbers of successes and failures of each arm, arrays (trials, arms), that
#: gives the arm to pull.
BANDIT = {"Thompson": thompson, "UCB1": ucb, "greedy": greedy, "ideal": ideal}


def bandit_regret(strategy, pulls, probability=0.9, trials=5000, seed=0):
    """Expected regret of each pull of a two-armed bandit, one of which pays with p, the other with 1 - p.

    Parameters
    ----------
    strategy : callable
        See `BANDIT`.
    pulls : int
        In a trial.
    probability : float
        p, above 0.5.
    trials, seed : int

    Returns
    -------
    array (trials, pulls)
        What the better arm would have paid on average beyond the one that was pulled.
    """
    rng = np.random.default_rng(seed)
    better = rng.integers(2, size=trials)
    successes, failures = np.zeros((2, trials, 2))
    regret, row = np.empty((trials, pulls)), np.arange(trials)
    for t in range(pulls):
        arm = strategy(successes, failures, rng, probability)
        right = arm == better
        won = rng.random(trials) < np.where(right, probability, 1 - probability)
        successes[row, arm] += won
        failures[row, arm] += ~won
        regret[:, t] = (2 * probability - 1) * ~right
    return regret


# The maze -----------------------------------------------------------------------------------------


class Maze:
    """The cells of task `meta_maze`: every second cell of every second row is a wall.

    Parameters
    ----------
    size : int
        Rows and columns, odd.

    Attributes
    ----------
    cells : list of (int, int)
        The open ones.
    distance : array (cells, cells) of int
        Moves from one to another; from a cell to itself 2, which is to leave it and come back.
    toward : array (cells, cells) of int
        The next cell on a shortest way.
    start : int
        The cell in the middle, in which a trial starts, or the first if that is a wall.
    """

    def __init__(self, size=9):
        self.cells = [(r, c) for r in range(size) for c in range(size) if not (r % 2 and c % 2)]
        place = {cell: k for k, cell in enumerate(self.cells)}
        around = [
            [place[to] for to in ((r - 1, c), (r, c + 1), (r + 1, c), (r, c - 1)) if to in place]
            for r, c in self.cells
        ]
        count = len(self.cells)
        self.distance = np.full((count, count), -1)
        for k in range(count):
            self.distance[k, k], left = 0, deque([k])
            while left:
                here = left.popleft()
                for to in around[here]:
                    if self.distance[k, to] < 0:
                        self.distance[k, to] = self.distance[k, here] + 1
                        left.append(to)
        self.toward = np.array(
            [
                [min(around[a], key=lambda k: self.distance[k, b]) for b in range(count)]
                for a in range(count)
            ]
        )
        np.fill_diagonal(self.distance, 2)
        self.start = place.get((size // 2, size // 2), 0)


def knows_goal(maze, place, possible, goal, target, rng):
    """Goes straight to the goal, which it is told: nothing can be better."""
    return goal


def nearest(maze, place, possible, goal, target, rng):
    """Goes to the nearest cell that may be the goal (greedy; for a goal that is equally likely in all
    cells not seen yet, an upper confidence bound chooses no other way).
    """
    cost = np.where(possible, maze.distance[place], np.inf)
    return cost.argmin(-1)


def posterior_sampling(maze, place, possible, goal, target, rng):
    """Thompson sampling: draws a cell that may be the goal, goes there, draws again."""
    again = (target < 0) | ~np.take_along_axis(possible, target[:, None], 1)[:, 0]
    drawn = (rng.random(possible.shape) * possible).argmax(-1)
    return np.where(again, drawn, target)


#: Name to a function that gives the cell to walk to.
MAZE = {"knows the goal": knows_goal, "Thompson": posterior_sampling, "greedy": nearest}


def maze_goals(strategy, steps, size=9, trials=1000, seed=0):
    """How often the goal has been reached by each step of a trial.

    Reaching the goal puts the agent down in any open cell; if that is the goal, the trial is over, and
    nothing more is counted, as in task `meta_maze`.

    Parameters
    ----------
    strategy : callable
        See `MAZE`.
    steps, size, trials, seed : int

    Returns
    -------
    array (trials, steps)
    """
    rng, maze = np.random.default_rng(seed), Maze(size)
    count = len(maze.cells)
    goal = rng.integers(count, size=trials)
    place = np.full(trials, maze.start)
    target = np.full(trials, -1)
    possible = np.ones((trials, count), bool)
    row, going_on = np.arange(trials), np.ones(trials, bool)
    found = np.zeros((trials, steps))
    for t in range(steps):
        target = strategy(maze, place, possible, goal, target, rng)
        place = maze.toward[place, target]
        reached = going_on & (place == goal)
        possible[row, place] &= place == goal
        possible[reached] = np.arange(count) == goal[reached, None]
        found[:, t] = reached
        place = np.where(reached, rng.integers(count, size=trials), place)
        going_on &= ~(reached & (place == goal))
    return found.cumsum(1)
