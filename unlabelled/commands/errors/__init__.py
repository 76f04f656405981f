"""One line for an error: explanations of wrong configurations, errors of runs, suggestions of right names."""
