"""Frames that nobody could look at are found without reading a day's."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REJECTED = sa.text("outcome = 'rejected'")


def upgrade() -> None:
    op.create_index(
        "ix_frames_rejected", "frames", ["camera", "captured_at"], sqlite_where=REJECTED, postgresql_where=REJECTED
    )
