"""Every question that pages and API ask: whoever adds one to `models.queries` adds it to `QUESTIONS`.

What workers do ahead because it takes too long to be waited for is in `LABOURS`, of which only the plans are looked at.
"""

from bench.questions.asked import LABOURS, QUESTIONS
from bench.questions.known import Known
from bench.questions.question import Question

__all__ = ["LABOURS", "QUESTIONS", "Known", "Question"]
