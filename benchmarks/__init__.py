"""Speed and accuracy as ratios within one run; `make bench` runs everything, `python -m benchmarks NAME` one."""
