"""
Memory of one bit
=================

An agent learns to report, after some steps, the bit that it saw at the start: the figure of the README
of a shorter memory and a shorter run. The command does the same:

.. code-block:: sh

    python -m experiments.memory_chain --length 4 --steps 20000 --replicates 4
"""

from bgrl import Record, Run, models, simulate, tasks
from bgrl.analysis.memory_chain import figure

agent = models.agent("rtrrl", tasks.make("memory_chain", length=4), replicates=4, **models.STEADY)
names = ("dopamine", "value", "reward", "done", "policy", "observation", "cortex")
record = Record(names, windows=((0, 2000), (-2000, None)))
data = simulate(agent, Run(steps=20_000, record=record))
drawn = figure(data)
