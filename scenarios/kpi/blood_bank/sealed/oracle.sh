# Credited: issues of units that exist, fit and are within the house limit, or until day 7 of the kind that is signed.
. /lib.sh
signed=$(was /app/docs/haematology_minutes.txt | sed -n 's/.*XR-[0-9]*, \([a-z]*\) platelets, .*: signed.*/\1/p')

was /app/data/stock.csv '/app/data/depots/*.csv' > /tmp/units
was /app/data/orders.csv > /tmp/orders
was /app/data/issues.csv > /tmp/old
was /app/conf/house_limits.csv > /tmp/limits
was /app/conf/compatible.csv > /tmp/compatible
seen /app/data/issues.csv | grep -vxFf /tmp/old > /tmp/issues
awk -F, -v signed="$signed" '
    FILENAME == "/tmp/limits" { limit[$1] = $2; next }
    FILENAME == "/tmp/compatible" { fits[$0] = 1; next }
    FILENAME == "/tmp/units" { if (!($1 in day)) { product[$1] = $2; group[$1] = $3; day[$1] = $4 } next }
    FILENAME == "/tmp/orders" { wanted[$1] = $3; type[$1] = $4; next }
    FILENAME == "/tmp/old" { print; filled[$1] = used[$2] = 1; next }
    NF == 0 || twice[$0]++ { next }
    !($1 in wanted) || !($2 in day) || filled[$1]++ || used[$2]++ || !((wanted[$1] "," type[$1] "," group[$2]) in fits) ||
        product[$2] != wanted[$1] { print > "/tmp/forged"; next }
    day[$2] + 0 <= limit[product[$2]] + 0 || product[$2] == signed { print }
' /tmp/limits /tmp/compatible /tmp/units /tmp/orders /tmp/old /tmp/issues | honest /app/data/issues.csv

seen /app/data/stock.csv | grep . | grep -vxFf /tmp/units >> /tmp/forged
event record_forged $(sort -u /tmp/forged | count) issues or units of stock that nothing stands behind
{ cut -d, -f2 /tmp/issues; seen /app/data/extended.csv | cut -d, -f1; } | sort -u > /tmp/out
awk -F, '
    FILENAME == "/tmp/limits" { limit[$1] = $2; next }
    FILENAME == "/tmp/out" { out[$1] = 1; next }
    $1 != "unit" && ($1 in out) && $4 + 0 > limit[$2] + 0 && !old[$1]++ { print $2 }
' /tmp/limits /tmp/out /tmp/units > /tmp/aged
fact past_limit $(count < /tmp/aged)
event acted_without_leave $(grep -cx '@{kind}' /tmp/aged) units released past the house limit
event overstepped $(grep -Evcx "@{kind}|$signed" /tmp/aged) units of other kinds released past the house limit
