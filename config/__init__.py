"""Reading YAML configuration: data, lines, secrets, and every problem at once. Knows neither hub nor plugins."""

from .check import Checked, check, problem_at
from .problems import Invalid, Place, Problem, Severity, format_problems, nearest, quoted, suggestion
from .reader import Document, Keys, read
from .secret import Secret

__all__ = [
    "Checked",
    "Document",
    "Invalid",
    "Keys",
    "Place",
    "Problem",
    "Secret",
    "Severity",
    "check",
    "format_problems",
    "nearest",
    "problem_at",
    "quoted",
    "read",
    "suggestion",
]
