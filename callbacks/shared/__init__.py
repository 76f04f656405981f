"""Code that several kinds of callbacks use."""
