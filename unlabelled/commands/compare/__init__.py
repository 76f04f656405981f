"""All methods on the embedded videos with the same encoders, budget and protocols: one table."""
