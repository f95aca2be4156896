# Documents made, filtered, grouped, regrouped and printed, as a JSON tool is used in scripts.
[range(2500) | {
    id: .,
    name: "item \(.)",
    price: (. * 7919 % 1000 / 10),
    tags: [range(. % 5) | "tag\(.)"],
    place: {shelf: (. % 17), room: "room \(. % 6)"},
    text: ("word " * (. % 7 + 1))
}]
| (map(select(.price > 20 and (.tags | length) > 1))) as $chosen
| {
    rooms: ($chosen | group_by(.place.room)
        | map({key: .[0].place.room, value: {count: length, mean: (map(.price) | add / length)}})
        | from_entries),
    names: ($chosen | sort_by(.price, .name) | map(.name | ascii_upcase | sub("ITEM "; "#"))),
    words: ($chosen | map(.text | split(" ")[]) | reduce .[] as $w ({}; .[$w] += 1)),
    paths: ($chosen[:200] | [paths(type == "number")] | length),
    again: ($chosen | tojson | fromjson | map(.place.shelf) | unique)
}
