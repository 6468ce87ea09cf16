"""A deployment's rules: which tasks wait for clean power though their DAGs say nothing of it."""
