"""One schema core for every contract format: normal nodes, their difference, and who it hurts."""
