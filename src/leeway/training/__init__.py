"""Dataset version in, trained network out. The only home of torch."""
