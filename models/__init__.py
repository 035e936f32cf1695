"""What we remember: tables, writes with their guarantees, queries, migrations."""

from models.account import Account, AuditEntry, Role, SavedView, Scope, SignIn, Ticket, Token
from models.alert import Alert, AlertStep, NoticeGroup, Told
from models.app import App, AppVersion, ScopeSet, Source, Verdict
from models.base import Base, Session, db_now
from models.connection import Adoption, Connection, Tally, Tenure
from models.event import Event, Fire, Heartbeat, Poll
from models.notice import Attempt, Notice, NoticeReminder, Reminder
from models.paced import PacedReceiver
from models.parts import WalkPart, WalkRow
from models.silence import Silence
from models.stopped import StoppedReceiver
from models.study import Study
from models.tenant import Contact, Tenant
from models.walked import WalkedPage

__all__ = [
    "Account",
    "Adoption",
    "Alert",
    "AlertStep",
    "App",
    "AppVersion",
    "Attempt",
    "AuditEntry",
    "Base",
    "Connection",
    "Contact",
    "Event",
    "Fire",
    "Heartbeat",
    "Notice",
    "NoticeGroup",
    "NoticeReminder",
    "PacedReceiver",
    "Poll",
    "Reminder",
    "Role",
    "SavedView",
    "Scope",
    "ScopeSet",
    "Session",
    "SignIn",
    "Silence",
    "Source",
    "StoppedReceiver",
    "Study",
    "Tally",
    "Tenant",
    "Tenure",
    "Ticket",
    "Token",
    "Told",
    "Verdict",
    "WalkPart",
    "WalkRow",
    "WalkedPage",
    "db_now",
]
