"""The same computations on the processor and on a GPU: ``make test-gpu``.

Where there is no GPU the comparisons run as well, in float32 with float64 on the processor, so that the
tables of cases and the tests are always executed.
"""
