/** The order of rows: those that compare first, and of each group those without a value last. */

/**
 * @param {Array<{comparable: boolean, sort: object}>} rows in the order of their ranks.
 * @param {string} by a key of `sort`.
 * @param {boolean} down whether the largest comes first.
 * @returns {Array} a new array; rows that are alike keep their order.
 */
export function sorted(rows, by, down) {
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (a.comparable !== b.comparable) return a.comparable ? -1 : 1;
    const [x, y] = [a.sort[by], b.sort[by]];
    if (x === null || y === null) return (x === null) - (y === null);
    if (typeof x === "string") return sign * x.localeCompare(y);
    return sign * (x - y);
  });
}
