// Sets of values of one key segment, as the planner knows them: bounds in index bytes, each with the words
// of the condition it comes from. Intervals are in the ascending order of the values; key-range.ts turns
// them round for descending segments. Lists of them are sorted and disjoint. Knows no conditions.

/** All values from `least` to `greatest`, both included: index bytes of the whole segment, never empty. */
export interface Interval {
  readonly least: Buffer;
  readonly greatest: Buffer;
  /** Condition behind each bound, '' where there is none; the same when one gave both. */
  readonly leastText: string;
  readonly greatestText: string;
  /** `point`: one value. `part`: bounded on both sides. `half`: on one. For estimates. */
  readonly extent: 'point' | 'part' | 'half';
}

/** One value. */
export const pointOf = (bytes: Buffer, text: string): Interval => ({
  least: bytes,
  greatest: bytes,
  leastText: text,
  greatestText: text,
  extent: 'point',
});

export const isPoint = (interval: Interval): boolean => interval.extent === 'point';

/** The words of an interval: `total >= 100.00, total < 200.00`. */
export function wordsOf({ leastText, greatestText }: Interval): string {
  if (leastText === greatestText) return leastText;
  return [leastText, greatestText].filter((text) => text !== '').join(', ');
}

/** What is in both lists. */
export function intersect(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  const common: Interval[] = [];
  for (let i = 0, j = 0; ; ) {
    const left = a[i];
    const right = b[j];
    if (left === undefined || right === undefined) return common;
    const both = overlap(left, right);
    if (both !== undefined) common.push(both);
    if (Buffer.compare(left.greatest, right.greatest) <= 0) i++;
    else j++;
  }
}

/** What is in either list. */
export function unite(intervals: readonly Interval[]): Interval[] {
  const sorted = [...intervals].sort((a, b) => Buffer.compare(a.least, b.least));
  const united: Interval[] = [];
  for (const interval of sorted) {
    const last = united[united.length - 1];
    if (last === undefined || Buffer.compare(last.greatest, interval.least) < 0) {
      united.push(interval);
    } else {
      united[united.length - 1] = enclose(last, interval);
    }
  }
  return united;
}

/** One interval around all of a list that is not empty. */
export function coverAll(intervals: readonly Interval[]): Interval | undefined {
  const [first] = intervals;
  const last = intervals[intervals.length - 1];
  if (first === undefined || last === undefined) return undefined;
  if (first === last) return first;
  const text = `between ${wordsOf(first)} and ${wordsOf(last)}`;
  const { least } = first;
  return { least, greatest: last.greatest, leastText: text, greatestText: text, extent: 'part' };
}

function overlap(a: Interval, b: Interval): Interval | undefined {
  const low = Buffer.compare(a.least, b.least);
  const high = Buffer.compare(a.greatest, b.greatest);
  if (low >= 0 && high <= 0 && (low !== 0 || high !== 0)) return a;
  if (low <= 0 && high >= 0) return b;
  const [lower, upper] = low > 0 ? [a, b] : [b, a];
  const order = Buffer.compare(lower.least, upper.greatest);
  if (order > 0) return undefined;
  return {
    least: lower.least,
    leastText: lower.leastText,
    greatest: upper.greatest,
    greatestText: upper.greatestText,
    extent: order === 0 ? 'point' : 'part',
  };
}

/** `a` begins first and reaches `b`. */
function enclose(a: Interval, b: Interval): Interval {
  if (Buffer.compare(b.greatest, a.greatest) <= 0) return a;
  if (Buffer.compare(a.least, b.least) === 0) return b;
  const text = `(${wordsOf(a)} or ${wordsOf(b)})`;
  const isOpen = a.leastText === '' || b.greatestText === '';
  return {
    least: a.least,
    greatest: b.greatest,
    leastText: text,
    greatestText: text,
    extent: isOpen ? 'half' : 'part',
  };
}

/** The bytes next to these in memcmp order, of the same length; undefined past the last. */
export function nextBytes(bytes: Buffer): Buffer | undefined {
  const next = Buffer.from(bytes);
  for (let at = next.length - 1; at >= 0; at--) {
    next[at] = ((next[at] ?? 0) + 1) & 0xff;
    if (next[at] !== 0) return next;
  }
  return undefined;
}

/** The bytes right before these; undefined before the first. */
export function previousBytes(bytes: Buffer): Buffer | undefined {
  const previous = Buffer.from(bytes);
  for (let at = previous.length - 1; at >= 0; at--) {
    previous[at] = ((previous[at] ?? 0) - 1) & 0xff;
    if (previous[at] !== 0xff) return previous;
  }
  return undefined;
}

/** Cut, or filled up with `fill`, to `length` bytes. */
export function resizeBytes(bytes: Buffer, length: number, fill: number): Buffer {
  if (bytes.length >= length) return bytes.subarray(0, length);
  return Buffer.concat([bytes], length).fill(fill, bytes.length);
}
