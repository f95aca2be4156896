"""Classes, dictionaries, text, JSON and sorting, as programs use them; the same on every run."""
import collections
import dataclasses
import json
import re


@dataclasses.dataclass
class Order:
    number: int
    customer: str
    lines: list[tuple[str, int, float]]
    notes: dict[str, str] = dataclasses.field(default_factory=dict)

    def total(self) -> float:
        return sum(amount * price for _, amount, price in self.lines)


def make_orders(count: int) -> list[Order]:
    state = 1
    orders = []
    for number in range(count):
        lines = []
        for line in range(1 + number % 5):
            state = state * 48271 % 2147483647
            lines.append((f"product-{state % 300}", 1 + state % 9, state % 10007 / 100))
        orders.append(Order(number, f"customer {state % 700:04d}", lines, {"channel": "web"}))
    return orders


orders = make_orders(300)
text = json.dumps([dataclasses.asdict(order) for order in orders])
parsed = json.loads(text)
by_customer: dict[str, list[float]] = collections.defaultdict(list)
for order in parsed:
    total = sum(amount * price for _, amount, price in order["lines"])
    by_customer[order["customer"]].append(total)
best = sorted(by_customer.items(), key=lambda item: (-sum(item[1]), item[0]))[:50]
words = collections.Counter(re.findall(r"[a-z]+-\d+", text))
report = "\n".join(f"{name:>14} {len(sums):4d} {sum(sums):12.2f}" for name, sums in best)
graph = {name: {other for other in by_customer if other[-2:] == name[-2:]} for name in by_customer}
seen: set[str] = set()
for start in graph:
    queue = collections.deque([start])
    while queue:
        name = queue.popleft()
        if name not in seen:
            seen.add(name)
            queue.extend(graph[name] - seen)
print(len(text), len(words), len(report), len(seen), sum(order.total() for order in orders) // 1)
