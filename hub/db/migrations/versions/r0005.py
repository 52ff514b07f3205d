"""Services that keep a gallery of their own: what was sent there."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remote_portraits",
        sa.Column("recogniser", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("source_sha256", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("recogniser", "person", "source_sha256", name="pk_remote_portraits"),
    )
