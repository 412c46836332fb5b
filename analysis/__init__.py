"""Statistics and plots: functions of a dataset. Imports neither Brian2 nor bgrl nor models."""
