"""Any task made carbon-aware in one line: the task itself waits, and then does its own work."""
