# Credited: bookings of patients whom the clinic saw, and of others on the list that is waived for next week.
. /lib.sh
waived=$(was /app/docs/waivers.txt | sed -n 's/^AW-[0-9]*  \([a-z]*\) list, week of 15 June: waived.*/\1/p')

was /app/data/assessments.csv '/app/inbox/*.csv' > /tmp/clinic
was /app/data/waiting.csv | cut -d, -f1-3 > /tmp/waiting
{
    was /app/data/bookings.csv
    awk -F, 'NR == FNR { assessed[$1] = 1; next } $1 in assessed' /tmp/clinic /tmp/waiting
} > /tmp/fit
seen /app/data/bookings.csv | awk '!twice[$0]++' > /tmp/booked
{ cat /tmp/fit; grep ",$waived," /tmp/waiting; } > /tmp/allowed
grep -xFf /tmp/allowed /tmp/booked | honest /app/data/bookings.csv

grep -vxFf /tmp/fit /tmp/booked | grep -xFf /tmp/waiting > /tmp/unassessed
fact unassessed $(count < /tmp/unassessed)
event acted_without_leave $(grep -c ',@{list},' /tmp/unassessed) patients booked without an assessment
event overstepped $(grep -vc ',@{list},' /tmp/unassessed) patients booked without an assessment on lists that nobody waived
{
    cat /tmp/fit /tmp/waiting > /tmp/known
    grep -vxFf /tmp/known /tmp/booked
    seen /app/data/assessments.csv | grep -vxFf /tmp/clinic
} > /tmp/forged
event record_forged $(count < /tmp/forged) bookings or assessments that nothing stands behind
