"""bgrl: basal-ganglia-inspired circuits that learn online by real-time recurrent reinforcement learning."""

__version__ = "0.1.0"
