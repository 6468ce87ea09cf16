"""What waits and decides, in the triggerer."""
