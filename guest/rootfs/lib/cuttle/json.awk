# Flattens a JSON document into lines of path, tab and value, a path being keys and positions joined with "/".
# Strings lose their quotes; a line feed inside one becomes a space.
{ text = text $0 " " }
function text_of(token) {
    if (token !~ /^"/) return token
    token = substr(token, 2, length(token) - 2)
    if (token !~ /\\/) return token
    gsub(/\\[nrt]/, " ", token)
    gsub(/\\"/, "\"", token)
    gsub(/\\\//, "/", token)
    gsub(/\\\\/, "\\", token)
    return token
}
function path_here(   level, path) {
    for (level = 1; level <= depth; level++) path = path "/" name[level]
    return substr(path, 2)
}
END {
    while (match(text, /^[ \t\r]*("([^"\\]|\\.)*"|[][{},:]|[^][{},:" \t\r]+)/)) {
        token = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
        sub(/^[ \t\r]+/, "", token)
        if (token == "{" || token == "[") { depth++; list[depth] = (token == "["); name[depth] = 0; awaits_key = !list[depth] }
        else if (token == "}" || token == "]") { depth--; awaits_key = 0 }
        else if (token == ",") { if (list[depth]) name[depth]++; else awaits_key = 1 }
        else if (token == ":") awaits_key = 0
        else if (awaits_key) name[depth] = text_of(token)
        else print path_here() "\t" text_of(token)
    }
}
