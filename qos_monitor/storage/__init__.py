"""What is kept, and how: SQLAlchemy Core on SQLite or PostgreSQL."""
