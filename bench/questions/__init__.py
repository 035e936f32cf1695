"""Every question that pages and API ask: whoever adds one to `models.queries` adds it to `QUESTIONS`."""

from bench.questions.asked import QUESTIONS, Question
from bench.questions.known import Known

__all__ = ["QUESTIONS", "Known", "Question"]
