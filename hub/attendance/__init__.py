"""Attendance as pure functions of facts: no I/O, no clock."""
