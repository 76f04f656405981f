"""What the command line says: the nearest right name, one line per error, the state of the machine."""
