"""Registers of the past know the rooms of cameras that hub.yaml has forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watched_rooms",
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("room", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("camera", name="pk_watched_rooms"),
    )
