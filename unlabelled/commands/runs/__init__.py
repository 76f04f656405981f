"""The folders of a run, and checks of its configuration at the start."""
