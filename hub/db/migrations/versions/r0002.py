"""Nodes, and the invitations they come by."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("room", sa.String()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged", sa.BigInteger(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("next_credential", sa.String(length=64)),
        sa.Column("retired_credential", sa.String(length=64)),
        sa.Column("credential_since", Moment, nullable=False),
        sa.Column("software", sa.String(), nullable=False),
        sa.Column("board", sa.String(), nullable=False),
        sa.Column("paired_at", Moment, nullable=False),
        sa.Column("confirmed_at", Moment),
        sa.Column("revoked_at", Moment),
        sa.Column("last_seen", Moment, nullable=False),
        sa.Column("health", sa.JSON()),
        sa.Column("refusals", sa.JSON(), nullable=False),
        sa.Column("boots", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nodes"),
    )
    op.create_index("ix_nodes_camera", "nodes", ["camera"])
    op.create_table(
        "node_invitations",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("room", sa.String()),
        sa.Column("made_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("credential", sa.String(length=64)),
        sa.Column("node", sa.String()),
        sa.PrimaryKeyConstraint("token", name="pk_node_invitations"),
    )
