"""The Celery app: `celery -A worker worker` and `celery -A worker beat` work as they stand."""

from celery import Celery
from celery.signals import setup_logging

from config.settings import SettingsError
from worker.addresses import broker_url
from worker.lifecycle import configure_logs
from worker.obstacles import refuse


def _broker_url() -> str:
    try:
        return broker_url()
    except SettingsError as error:
        # Celery would show it as a fault of this module, with a traceback.
        refuse(str(error))


# Each setting answers a failure that was seen (docs/decisions/0002): rows are the queue, a message only wakes.
app = Celery(
    "uptake",
    include=[
        "tasks.tick",
        "tasks.poll",
        "tasks.parts",
        "tasks.evaluate",
        "tasks.flush",
        "tasks.remind",
        "tasks.deliver",
        "tasks.sweep",
        "tasks.audit",
        "tasks.study",
    ],
)
app.conf.update(
    broker_url=_broker_url(),
    task_ignore_result=True,
    task_acks_late=False,
    task_publish_retry=False,
    task_serializer="json",
    accept_content=["json"],
    task_soft_time_limit=240,
    task_time_limit=270,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_max_tasks_per_child=1000,
    worker_max_memory_per_child=600_000,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_enable_remote_control=False,
    # What runs at SIGTERM has this long to end by itself (worker.lifecycle), well within the 30 s before a SIGKILL.
    worker_soft_shutdown_timeout=20.0,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "visibility_timeout": 300,
        "unacked_restore_throttle": 1,
        "global_keyprefix": "uptake:",
    },
    beat_schedule={"tick": {"task": "uptake.tick", "schedule": 5.0, "options": {"expires": 5}}},
    # When things were due is in our own tables: beat needs no file of its own.
    beat_scheduler="celery.beat:Scheduler",
    enable_utc=True,
)
setup_logging.connect(configure_logs)
