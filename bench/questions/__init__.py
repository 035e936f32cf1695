"""Every question that pages and API ask: whoever adds one to `models.queries` adds it to `QUESTIONS`."""

from bench.questions.asked import QUESTIONS
from bench.questions.known import Known
from bench.questions.question import Question

__all__ = ["QUESTIONS", "Known", "Question"]
