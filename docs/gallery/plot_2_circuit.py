"""
A circuit before and after a lesion
===================================

The model ``basal_ganglia``, as it is and with half of its subthalamic nucleus removed. From the command line:

.. code-block:: sh

    python -m experiments.draw basal_ganglia --lesion stn:0.5
"""

from bgrl import models, tasks
from bgrl.analysis.circuit import plot_circuit

circuit = models.circuit("basal_ganglia", tasks.make("memory_chain"))
intact = plot_circuit(circuit).figure

# %%
# The pathways of the nucleus are struck out by as much as is gone.
lesioned = plot_circuit(circuit.lesion("stn", fraction=0.5, seed=1)).figure
