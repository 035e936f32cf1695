"""English."""

from uptake.words.language import Plural, Words

ENGLISH = Words(
    tag="en",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    date="$day $month $year",
    sentences={
        "subject": "$app needs your approval for $tenant",
        "subject_still": "$app still needs your approval for $tenant",
        "subject_apps": "$app need your approval",
        "subject_apps_still": "$app still need your approval",
        "again": "Reminder: $subject",
        "again_numbered": "Reminder $step: $subject",
        "more_apps": Plural("$first and $count more app", "$first and $count more apps"),
        "more_tenants": Plural("$first and $count more account", "$first and $count more accounts"),
        "more_organizations": Plural("$first and $count other", "$first and $count others"),
        "more_items": "and $count more",
        "more_asks": Plural("$count more approval is waiting for you.", "$count more approvals are waiting for you."),
        "greeting": "Hello,",
        "released": "$organization has released version $version of $app.",
        "runs": "$tenant still runs version $version.",
        "runs_in": "$tenant still runs version $version (in the $environment environment).",
        "not_yet": "$tenant has not accepted it yet.",
        "not_yet_in": "$tenant has not accepted it yet (in the $environment environment).",
        "waiting": Plural(
            "$count approval is waiting for you; below you can read what it is for.",
            "$count approvals are waiting for you; below you can read what each of them is for.",
        ),
        "escalated": "We have written to other contacts before without an answer, so we now turn to you.",
        "section": "$app for $tenant",
        "section_in": "$app for $tenant ($environment environment)",
        "blocked": Plural(
            "Since $date ($count day), $app has not been working in full. This does not work now:",
            "Since $date ($count days), $app has not been working in full. This does not work now:",
        ),
        "blocked_today": "Since today, this has not been working in $app:",
        "needed": "For that, $app needs these permissions:",
        "lacks": Plural(
            "Since $date ($count day), $app has lacked permissions. It lacks these now and cannot do what needs them:",
            "Since $date ($count days), $app has lacked permissions. It lacks these now and cannot do what needs them:",
        ),
        "lacks_today": "Since today, $app lacks these permissions and cannot do what needs them:",
        "nothing": "$app works as before: the new version asks for no new permissions.",
        "why": "Why it asks for them: $why",
        "gives_up": "The new version gives up these permissions, which it no longer needs:",
        "deadline": (
            "Please accept the new version by $date: after that day, version $version is switched off, and $app does"
            " not work for $tenant until the new one is accepted."
        ),
        "deadline_older": (
            "Please accept the new version by $date: after that day, the older one is switched off, and $app does"
            " not work for $tenant until the new one is accepted."
        ),
        "deadline_past": (
            "Version $version was switched off on $date: $app does not work for $tenant until the new version is"
            " accepted."
        ),
        "deadline_past_older": (
            "The older version was switched off on $date: $app does not work for $tenant until the new version is"
            " accepted."
        ),
        "accept": "Review and accept",
        "leads": "The link leads to $host.",
        "how": "To accept the new version of $app, sign in to the account of $tenant and go to:",
        "how_else": "Or sign in to the account of $tenant yourself and, for $app, go to:",
        "how_title": "How to accept",
        "how_each": "Sign in to the account named in each heading and, for the app named there, go to:",
        "how_each_else": (
            "Use the link, or sign in to the account named in each heading and, for the app named there, go to:"
        ),
        "effort": Plural(
            "It takes about a minute. Nothing has to be installed, what works today goes on working, and the keys in"
            " use stay as they are.",
            "Each takes about a minute. Nothing has to be installed, what works today goes on working, and the keys in"
            " use stay as they are.",
        ),
        "who": (
            "It can be done by anybody who has the permission “$permission”. If that is not you, please pass this"
            " message on to somebody who has it."
        ),
        "because": Plural(
            "You receive this message because you are known to $organization as a contact for $tenant. The reminders"
            " stop by themselves as soon as the new version is accepted.",
            "You receive this message because you are known to $organization as a contact for $tenant. The reminders"
            " stop by themselves as soon as the new versions are accepted.",
        ),
        "regards": "Kind regards",
        "stop": "No more reminders, please",
        "view": "View $thing",
        "modify": "Modify $thing",
        "view_modify": "View and modify $thing",
    },
)
