"""Frames are told apart by a checksum, too, and no longer by their length alone."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("frames", sa.Column("checksum", sa.BigInteger()))
