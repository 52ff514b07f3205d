"""Facts go after their time, and whom cameras could recognise is remembered without biometrics."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)
OPEN = sa.text("status = 'open'")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    op.add_column("frames", sa.Column("model_id", sa.String()))
    op.create_table(
        "forgotten_frames",
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("camera", "epoch", "last", name="pk_forgotten_frames"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "frozen_days",
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("frozen_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("date", name="pk_frozen_days"),
    )
    op.create_index("ix_crops_created_at", "crops", ["created_at"])
    op.create_index("ix_marks_open", "marks", ["date"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "template_spans",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.Column("until", Moment),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_template_spans_person", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", "model_id", "since", name="pk_template_spans"),
    )
    remember_the_templates_there_are()


def remember_the_templates_there_are() -> None:
    """Since the first portrait that serves each of them was judged, or always where there is none."""
    templates = sa.table("templates", sa.column("person"), sa.column("model_id"))
    images = sa.table(
        "enrolment_images",
        sa.column("person"),
        sa.column("model_id"),
        sa.column("embedding"),
        sa.column("created_at", Moment),
    )
    spans = sa.table("template_spans", sa.column("person"), sa.column("model_id"), sa.column("since", Moment))
    first = (
        sa.select(sa.func.min(images.c.created_at))
        .where(
            images.c.person == templates.c.person,
            images.c.model_id == templates.c.model_id,
            images.c.embedding.is_not(None),
        )
        .scalar_subquery()
    )
    since = sa.func.coalesce(first, sa.literal(ALWAYS, Moment))
    op.execute(
        sa.insert(spans).from_select(
            ["person", "model_id", "since"], sa.select(templates.c.person, templates.c.model_id, since)
        )
    )
