-- What Lua programs do all day: tables, strings, closures, patterns, sorting; the same on every run.
local state = 12345
local function random(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n + 1
end

-- Records in tables, indexed two ways, some dropped again.
local people, by_town = {}, {}
for i = 1, 4000 do
    local person = { id = i, name = "person " .. i, town = "town " .. random(50), friends = {} }
    people[i] = person
    by_town[person.town] = by_town[person.town] or {}
    table.insert(by_town[person.town], person)
end
for _, person in ipairs(people) do
    for _ = 1, random(4) do
        person.friends[#person.friends + 1] = people[random(#people)]
    end
end
for round = 1, 3 do
    for i = 1, #people do
        if random(3) == 1 then
            people[i] = { id = i, name = "newcomer " .. round .. "/" .. i, friends = {} }
        end
    end
end

-- Text: words counted, lines formatted and joined, patterns replaced.
local words, text = {}, {}
for i = 1, 3000 do
    text[i] = string.format("%s-%d says %q", people[random(#people)].name, i, ("x"):rep(random(30)))
end
local joined = table.concat(text, "\n")
for word in joined:gmatch("%a+") do
    words[word] = (words[word] or 0) + 1
end
local changed = joined:gsub("(%a+) (%d+)", function(a, b) return b .. ":" .. a end)

-- A binary tree built, walked and dropped, over and over.
local function tree(depth)
    if depth == 0 then return {} end
    return { tree(depth - 1), tree(depth - 1) }
end
local function count(node)
    return node[1] and 1 + count(node[1]) + count(node[2]) or 1
end
local nodes = 0
for depth = 4, 11 do
    for _ = 1, 2 ^ (12 - depth) do
        nodes = nodes + count(tree(depth))
    end
end

-- Closures and coroutines as generators.
local function counter(n)
    return coroutine.wrap(function() for i = 1, n do coroutine.yield(function() return i end) end end)
end
local sum = 0
for i = 1, 300 do
    for f in counter(i % 20) do sum = sum + f() end
end

table.sort(text)
print(#text, #changed, nodes, sum, text[1])
