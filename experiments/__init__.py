"""One file per question or figure; ``python -m experiments`` lists them."""
