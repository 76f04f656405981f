"""The command that compares all methods on the embedded videos: equal encoders, budget and protocols."""
