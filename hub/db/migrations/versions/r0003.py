"""Lectures keep their names, and dates what they amount to, beside the marks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "lectures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("start", Moment),
        sa.Column("end", Moment),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("class_name", sa.String(), nullable=False),
        sa.Column("room", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lectures"),
    )
    op.create_index("ix_lectures_date", "lectures", ["date"])
    op.create_table(
        "daily",
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("date", "status", name="pk_daily"),
    )
    op.execute(
        "INSERT INTO lectures (id, date, name, class_name, room) "
        "SELECT lecture, min(date), '', '', '' FROM marks GROUP BY lecture"
    )
    # What the marks of a person on a date amount to: ranks and names as in hub.db.daily on the day this was written.
    op.execute(
        "INSERT INTO daily (date, status, people) "
        "SELECT date, CASE amounts WHEN 4 THEN 'present' WHEN 3 THEN 'open' WHEN 2 THEN 'absent' "
        "WHEN 1 THEN 'excused' ELSE 'not observed' END, count(*) FROM ("
        "SELECT date, max(CASE WHEN status IN ('present', 'late', 'left early') THEN 4 WHEN status = 'open' THEN 3 "
        "WHEN status = 'absent' THEN 2 WHEN status = 'excused' THEN 1 ELSE 0 END) AS amounts "
        "FROM marks GROUP BY date, person) AS days GROUP BY date, amounts"
    )
