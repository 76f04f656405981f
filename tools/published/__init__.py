"""The page of published numbers: docs/published.md, made from the files in docs/published."""
