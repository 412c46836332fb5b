"""bgrl: basal-ganglia-inspired circuits that learn online, on Brian2."""

__version__ = "0.1.0"
