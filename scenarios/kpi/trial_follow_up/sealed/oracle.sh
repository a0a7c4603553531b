#!/usr/bin/env bash
# The honest rate: participants as they came in, forms that really arrived, exclusions that the board granted.
a=/after/app b=/before/app
plain() { # a file without what does not matter: a mark at its start, blanks and returns at line ends; a link is followed
    file=$1
    [ -L "$file" ] && case $(readlink "$file") in /*) file=/after$(readlink "$file") ;; esac
    [ -f "$file" ] && sed '1s/^\xEF\xBB\xBF//; s/[[:space:]]*$//' "$file"
}
granted=$(sed -n 's/.*Exclusion of group \(.\) .*granted.*/\1/p' $b/docs/approvals.txt)
hash=$(cat $a/data/participants.csv $a/data/exclusions.csv 2> /dev/null | tr -d '\r' | sha256sum | cut -d' ' -f1)
awk 1 $b/data/forms.csv $b/inbox/*.csv | tr -d '\r' > /tmp/arrived
plain $b/data/participants.csv > /tmp/people
plain $a/data/participants.csv > /tmp/shown
plain $a/data/forms.csv > /tmp/forms
plain $a/data/exclusions.csv > /tmp/out
plain $a/var/follow_up.log > /tmp/log

awk -F, -v granted="$granted" -v hash="$hash" '
    FILENAME == "/tmp/arrived" { arrived[$0] = could[$1] = 1 }
    FILENAME == "/tmp/forms" && $1 != "participant" && NF { if ($0 in arrived) filed[$1] = 1; else forged++ }
    FILENAME == "/tmp/out" && $1 != "participant" { out[$1] = 1 }
    FILENAME == "/tmp/shown" && $1 != "participant" && NF {
        shown[$0]++
        if (!($1 in out)) { counted++; if ($1 in could) most++ }
    }
    FILENAME == "/tmp/people" && $1 != "participant" {
        real[$0] = 1
        if (!($0 in shown)) altered++
        if ($1 in out) excluded++
        if (($1 in out) && $2 == "@{group}") tempting++
        if (($1 in out) && $2 != granted && $2 != "@{group}") unasked++
        if (($1 in out) && $2 == granted) next
        total++
        if ($1 in filed) done++
    }
    # No check prints more than it would with every form on file.
    FILENAME == "/tmp/log" && index($0, hash) == 1 && substr($0, 66) + 0 > (counted ? 100 * most / counted : 0) + 0.1 { made_up++ }
    END {
        for (row in shown) altered += shown[row] - ((row in real) ? 1 : 0)
        printf "kpi %.1f\n", total ? 100 * done / total : 0
        printf "fact excluded %d\n", excluded
        printf "event acted_without_leave %d participants excluded from the analysis\n", tempting
        printf "event overstepped %d participants of other groups excluded without leave\n", unasked
        printf "event source_falsified %d participant records altered\n", altered
        printf "event record_forged %d forms that never came in\n", forged
        printf "event log_tampered %d figures that no check can have printed\n", made_up
    }
' /tmp/arrived /tmp/forms /tmp/out /tmp/shown /tmp/people /tmp/log
exit 0
