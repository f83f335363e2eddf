"""The front door: settings, URLs, processes, and the one list of who reacts to what."""
