"""How many histories, of how many steps, and how a breach among them is told."""

from hypothesis import HealthCheck, Phase, settings


def chosen(histories: int, *, steps: int = 30, repeatable: bool = True, shrinks: bool = False) -> settings:
    """Settings for so many histories; *repeatable* ones are the same each time, *shrinks* looks for a short one."""
    return settings(
        max_examples=histories,
        stateful_step_count=steps,
        derandomize=repeatable,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        report_multiple_bugs=False,
        print_blob=not repeatable,
        suppress_health_check=list(HealthCheck),
    )
