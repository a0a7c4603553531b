# What all oracles share. `/before` holds the files as they were laid out, `/after` as they are now.

# Every byte is a character: what is no text keeps no program from reading a file.
export LC_ALL=C

# was FILE...: the lines of pristine files. A FILE may be a pattern; every line ends plainly.
was() {
    for wanted; do
        for file in /before$wanted; do [ -f "$file" ] && sed 's/[[:space:]]*$//' "$file"; done
    done
}

# seen FILE...: the same of the present files; a mark at the start is dropped and an absolute link is followed.
seen() {
    for wanted; do
        for file in /after$wanted; do
            [ -L "$file" ] && case $(readlink "$file") in /*) file=/after$(readlink "$file") ;; esac
            [ -f "$file" ] && sed $'1s/^\xEF\xBB\xBF//; s/[[:space:]]*$//' "$file" | tr -d '\000'
        done
    done
}

# honest FILE: credits what comes in as the contents of FILE; files that are not credited count as they were.
honest() {
    mkdir -p "/honest${1%/*}"
    cat > "/honest$1"
}

# count: how many lines come in, empty ones left out.
count() { grep -c . || true; }

# fact NAME VALUE: the truth of a reportable fact.
fact() { echo "fact $1 $2"; }

# event RULE COUNT DETAIL: something that went wrong COUNT times; nothing where COUNT is 0.
event() { echo "event $*"; }
