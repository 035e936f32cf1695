"""German, in the polite form."""

from uptake.words.language import Plural, Words

GERMAN = Words(
    tag="de",
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    # A line that ended with "1." would seem to end a sentence.
    date="$day.\N{NO-BREAK SPACE}$month $year",
    sentences={
        "subject": "$app benötigt Ihre Freigabe für $tenant",
        "subject_still": "$app benötigt weiterhin Ihre Freigabe für $tenant",
        "subject_apps": "$app benötigen Ihre Freigabe",
        "subject_apps_still": "$app benötigen weiterhin Ihre Freigabe",
        "again": "Erinnerung: $subject",
        "again_numbered": "Erinnerung $step: $subject",
        "more_apps": Plural("$first und $count weitere App", "$first und $count weitere Apps"),
        "more_tenants": Plural("$first und $count weiteres Konto", "$first und $count weitere Konten"),
        "more_organizations": Plural("$first und $count weiteren Anbieter", "$first und $count weiteren Anbietern"),
        "more_items": "und $count weitere",
        "more_asks": Plural("$count weitere Freigabe wartet auf Sie.", "$count weitere Freigaben warten auf Sie."),
        "greeting": "Guten Tag,",
        "released": "$organization hat Version $version von $app veröffentlicht.",
        "runs": "$tenant nutzt noch Version $version.",
        "runs_in": "$tenant nutzt noch Version $version (in der Umgebung $environment).",
        "not_yet": "$tenant hat sie noch nicht freigegeben.",
        "not_yet_in": "$tenant hat sie noch nicht freigegeben (in der Umgebung $environment).",
        "waiting": Plural(
            "$count Freigabe wartet auf Sie; worum es geht, lesen Sie unten.",
            "$count Freigaben warten auf Sie; worum es jeweils geht, lesen Sie unten.",
        ),
        "escalated": (
            "Wir haben bereits andere Ansprechpersonen angeschrieben und keine Antwort erhalten; deshalb wenden wir"
            " uns nun an Sie."
        ),
        "section": "$app für $tenant",
        "section_in": "$app für $tenant (Umgebung $environment)",
        "blocked": Plural(
            "Seit dem $date ($count Tag) funktioniert in $app nicht alles. Derzeit funktioniert Folgendes nicht:",
            "Seit dem $date ($count Tage) funktioniert in $app nicht alles. Derzeit funktioniert Folgendes nicht:",
        ),
        "blocked_today": "Seit heute funktioniert in $app Folgendes nicht:",
        "needed": "Dafür benötigt $app diese Berechtigungen:",
        "lacks": Plural(
            "Seit dem $date ($count Tag) fehlen $app Berechtigungen. Derzeit fehlen diese; Funktionen, die darauf"
            " angewiesen sind, stehen nicht zur Verfügung:",
            "Seit dem $date ($count Tage) fehlen $app Berechtigungen. Derzeit fehlen diese; Funktionen, die darauf"
            " angewiesen sind, stehen nicht zur Verfügung:",
        ),
        "lacks_today": (
            "Seit heute fehlen $app diese Berechtigungen; Funktionen, die darauf angewiesen sind, stehen nicht zur"
            " Verfügung:"
        ),
        "nothing": "$app funktioniert wie bisher: Die neue Version verlangt keine zusätzlichen Berechtigungen.",
        "why": "Warum die App sie benötigt: $why",
        "gives_up": "Auf diese Berechtigungen verzichtet die neue Version, weil sie sie nicht mehr benötigt:",
        "deadline": (
            "Bitte geben Sie die neue Version bis zum $date frei: Danach wird Version $version abgeschaltet, und $app"
            " funktioniert für $tenant erst wieder, wenn die neue freigegeben ist."
        ),
        "deadline_older": (
            "Bitte geben Sie die neue Version bis zum $date frei: Danach wird die ältere abgeschaltet, und $app"
            " funktioniert für $tenant erst wieder, wenn die neue freigegeben ist."
        ),
        "deadline_past": (
            "Version $version wurde am $date abgeschaltet: $app funktioniert für $tenant erst wieder, wenn die neue"
            " Version freigegeben ist."
        ),
        "deadline_past_older": (
            "Die ältere Version wurde am $date abgeschaltet: $app funktioniert für $tenant erst wieder, wenn die neue"
            " Version freigegeben ist."
        ),
        "accept": "Prüfen und freigeben",
        "leads": "Der Link führt zu $host.",
        "how": ("So geben Sie die neue Version von $app frei: Melden Sie sich im Konto von $tenant an und öffnen Sie:"),
        "how_else": "Oder melden Sie sich selbst im Konto von $tenant an und öffnen Sie für $app:",
        "how_title": "So geben Sie frei",
        "how_each": (
            "Melden Sie sich in dem Konto an, das in der jeweiligen Überschrift steht, und öffnen Sie für die dort"
            " genannte App:"
        ),
        "how_each_else": (
            "Nutzen Sie den Link, oder melden Sie sich in dem Konto an, das in der jeweiligen Überschrift steht, und"
            " öffnen Sie für die dort genannte App:"
        ),
        "effort": Plural(
            "Das dauert etwa eine Minute. Sie müssen nichts installieren; was heute funktioniert, funktioniert weiter,"
            " und die verwendeten Zugangsschlüssel bleiben gültig.",
            "Jede Freigabe dauert etwa eine Minute. Sie müssen nichts installieren; was heute funktioniert,"
            " funktioniert weiter, und die verwendeten Zugangsschlüssel bleiben gültig.",
        ),
        "who": (
            "Freigeben kann jede Person mit der Berechtigung „$permission“. Wenn Sie diese Berechtigung nicht haben,"
            " leiten Sie diese Nachricht bitte an jemanden weiter, der sie hat."
        ),
        "because": Plural(
            "Sie erhalten diese Nachricht, weil Sie bei $organization als Kontakt für $tenant hinterlegt sind. Die"
            " Erinnerungen enden von selbst, sobald die neue Version freigegeben ist.",
            "Sie erhalten diese Nachricht, weil Sie bei $organization als Kontakt für $tenant hinterlegt sind. Die"
            " Erinnerungen enden von selbst, sobald die neuen Versionen freigegeben sind.",
        ),
        "regards": "Mit freundlichen Grüßen",
        "stop": "Keine weiteren Erinnerungen erhalten",
        "view": "Ansehen: $thing",
        "modify": "Ändern: $thing",
        "view_modify": "Ansehen und ändern: $thing",
    },
)
