"""Reading clips, listing data sets and sampling what a step sees."""
