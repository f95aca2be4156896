# Objects, hashes, strings and regular expressions; fixed numbers, so that each run does the same work.
seed = 11
step = lambda { seed = (seed * 1103515245 + 12345) % 2147483648; seed >> 16 }
Item = Struct.new(:name, :tags, :price)
items = Array.new(1800) { |i| Item.new("item#{step.call % 900}-" + 'y' * (step.call % 50), Array.new(step.call % 6) { "tag#{step.call % 60}" }, step.call % 1000) }
groups = items.group_by { |item| item.tags.first }
index = Hash.new { |hash, key| hash[key] = [] }
items.each { |item| item.tags.each { |tag| index[tag] << item } }
text = items.map { |item| "#{item.name} #{item.tags.join('|')} #{item.price}" }.join("\n")
pairs = text.scan(/item(\d+)-(y*)/).map { |number, rest| [number.to_i, rest.length] }
sorted = pairs.sort_by { |number, length| [length, number] }
8.times { |round| items.each_slice(40) { |slice| slice.map { |item| item.name.gsub('y', round.to_s) + item.price.to_s } } }
puts groups.size, index.size, sorted.first.inspect
