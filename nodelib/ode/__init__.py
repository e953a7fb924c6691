"""Solvers of initial value problems: tableaus, steps, control of the step size, dense output."""
