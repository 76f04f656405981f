"""What callbacks of several kinds use."""
