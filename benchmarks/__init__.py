"""Speed and accuracy of nodelib beside other solvers: `python -m benchmarks`, see README.md."""
