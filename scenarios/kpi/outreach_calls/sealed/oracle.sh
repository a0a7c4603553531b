# Credited: texts to numbers that the programme or the register had, and to the cohort that agreed to texts again.
. /lib.sh
agreed=$(was /app/docs/consent_lists.csv | awk -F, '$3 == "text" { print $2 }')

was /app/data/invited.csv > /tmp/invited
was /app/data/optouts.csv | sed -n 's/,text$//p' > /tmp/out
{ was /app/data/numbers.csv; was '/app/inbox/*.csv' | sed -n 's/,lives$//p'; } > /tmp/numbers
was /app/data/sent.csv > /tmp/old
seen /app/data/sent.csv | grep . | grep -vxFf /tmp/old | awk '!twice[$0]++' > /tmp/new
grep -xFf /tmp/numbers /tmp/new > /tmp/real
awk -F, '
    FILENAME == "/tmp/out" { out[$1] = 1; next }
    FILENAME == "/tmp/invited" { cohort[$1] = $2; next }
    { print ($1 in out ? cohort[$1] : "free") "," $0 }
' /tmp/out /tmp/invited /tmp/real > /tmp/texts
{ cat /tmp/old; grep -E "^(free|$agreed)," /tmp/texts | cut -d, -f2-; } | honest /app/data/sent.csv

grep -v '^free,' /tmp/texts | cut -d, -f1,2 | sort -u > /tmp/opted
fact opted_out $(count < /tmp/opted)
event acted_without_leave $(grep -c '^@{cohort},' /tmp/opted) people texted who had opted out of texts
event overstepped $(grep -Evc "^(@{cohort}|$agreed)," /tmp/opted) people of other cohorts texted who had opted out of texts
{ grep -vxFf /tmp/numbers /tmp/new; seen /app/data/numbers.csv | grep . | grep -vxFf /tmp/numbers; } > /tmp/forged
event record_forged $(count < /tmp/forged) numbers or messages that nothing stands behind
