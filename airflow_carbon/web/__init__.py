"""The one way to the network, and what a host keeps of it: requests, their count, documents on disk."""
