/* What the pool's arithmetic promises, for Frama-C to prove: rounding, bins, pages, where the parts
 * of a pool are in its memory. `./poolproof check frama-c` does, for the ordinary and the checked
 * build.
 *
 * Numbers in contracts are mathematical integers: a sum that wrapped where it must not would break
 * one. What is proved here besides is that every shift is by less than the width, no division is by
 * zero, and no read or write is outside of what the contract names. Three things are believed: what
 * the C standard says of << and >> (6.5.7), what gcc says of __builtin_clzll, and that 2^n grows.
 *
 * Frama-C knows neither vectors nor _Alignof, and no memory of the system is asked for here. */
#undef __SSE2__
#undef __unix__
#undef __linux__
#define _Alignof(type) 16

#include "mem_pool.h"

/* What stands in an axiomatic block is known where its functions and predicates are named, so that
 * no prover loses its way in what it does not need. */

/*@ axiomatic Multiples {
  @ predicate divides(integer y, integer x) = x % y == 0;
  @ lemma quotient: \forall integer x, y; 0 <= x && 0 < y ==> x - y < (x / y) * y <= x;
  @ lemma multiple: \forall integer x, y; 0 <= x && 0 < y ==> (x * y) % y == 0;
  @ } */

/*@ axiomatic Powers {
  @ logic integer two(integer n); // to the power of n
  @ axiom one: two(0) == 1;
  @ axiom doubling: \forall integer m, n; 0 <= m && n == m + 1 ==> two(n) == 2 * two(m);
  @ axiom growing: \forall integer m, n; 0 <= m < n ==> 2 * two(m) <= two(n);
  @ axiom positive: \forall integer n; 0 <= n ==> two(n) >= 1;
  @ axiom left: \forall integer x, n; 0 <= x && 0 <= n ==> (x << n) == x * two(n);
  @ axiom right: \forall integer x, n; 0 <= x && 0 <= n ==> (x >> n) == x / two(n);

  @ logic integer highest(integer n); // the number of the highest bit that is set
  @ axiom highest_bit: \forall integer n; 0 < n ==>
  @   0 <= highest(n) && two(highest(n)) <= n < 2 * two(highest(n));

  @ lemma small_powers: two(1) == 2 && two(2) == 4 && two(3) == 8;
  @ lemma rising: \forall integer m, n; 0 < m <= n ==> highest(m) <= highest(n);
  @ lemma from_eight: \forall integer n; 8 <= n ==> highest(n) >= 3;
  @ lemma below_eight: \forall integer n; 0 < n < 8 ==> highest(n) <= 2;
  @ lemma quarter: \forall integer n; 8 <= n ==>
  @   two(highest(n) - 1) == 2 * two(highest(n) - 2) &&
  @   two(highest(n)) == 2 * two(highest(n) - 1);
  @ lemma digit: \forall integer x, y; 0 < y && 4 * y <= x < 8 * y ==> 4 <= x / y <= 7;
  @ lemma leading: \forall integer n; 8 <= n ==> 4 <= n / two(highest(n) - 2) <= 7;
  @ } */

/*@ axiomatic Page {
  @ logic integer page = 4096;
  @ lemma up_to_a_page: two(4) == 16 && two(5) == 32 && two(6) == 64 && two(7) == 128 &&
  @   two(8) == 256 && two(9) == 512 && two(10) == 1024 && two(11) == 2048 && two(12) == page;
  @ } */

/*@ axiomatic Order {
  @ predicate at_most(integer x, integer y) = x <= y;
  @ lemma monotone: \forall integer x, y, z; 0 <= x && at_most(x, y) && 0 < z ==> x / z <= y / z;
  @ } */

/* --- Rounding --------------------------------------------------------------------------------- */

/*@ assigns \nothing;
  @ ensures bytes <= \result * POOL_GRANULE < bytes + POOL_GRANULE; */
static size_t granules_for(size_t bytes);

/*@ requires 0 < unit && value + unit <= SIZE_MAX;
  @ assigns \nothing;
  @ ensures value <= \result < value + unit;
  @ ensures divides(unit, \result); */
static inline size_t round_up(size_t value, size_t unit);

/*@ requires type <= POOL_PAGE;
  @ assigns \nothing;
  @ ensures POOL_GRANULE <= \result == two(type < POOL_USER ? POOL_USER : type) <= page; */
static size_t alignment_of(unsigned type);

/* --- Bins ------------------------------------------------------------------------------------- */

/*@ requires x > 0;
  @ assigns \nothing;
  @ ensures (63 ^ \result) == highest(x) <= 63; */
int __builtin_clzll(unsigned long long x);

/*@ requires value > 0;
  @ assigns \nothing;
  @ ensures \result == highest(value) <= 63; */
static unsigned log2_of(uint64_t value);

/*@ requires 0 < n < 2 * two(28);
  @ assigns \nothing;
  @ ensures \result < 112;
  @ ensures n < 8 ==> \result == n;
  @ ensures n >= 8 ==> \result == 4 * (highest(n) - 2) + n / two(highest(n) - 2); */
static unsigned bin_of(size_t n);

#include "mem_pool.c"

/* Bins are in the order of lengths: a free extent in a bin after that of n has more than n. */
/*@ requires 0 < m && at_most(m, n) && n < 2 * two(28);
  @ assigns \nothing;
  @ ensures \result; */
static int bins_are_in_order(size_t m, size_t n)
{
    return bin_of(m) <= bin_of(n);
}
