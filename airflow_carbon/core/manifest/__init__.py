"""Manifests of Impact Framework 1.1.0, in and out: plain dicts to plain dicts, no YAML and no files."""
