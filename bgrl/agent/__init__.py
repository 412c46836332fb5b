"""An agent: a circuit in a task with a way of learning, and what follows from that.

Nothing here knows Brian2.
"""

from bgrl.agent.agent import DTYPES, MAX_SEED, Agent, describe

__all__ = ["DTYPES", "MAX_SEED", "Agent", "describe"]
