// Finds what a user meant by a word: the word itself, an unambiguous beginning of it, or the likeliest
// misspelling. Used by everything that reads definitions (XDL, ISAMC strings, the repository language).
// It knows words only, never what they mean.

/** How a word was understood: as `keyword`, or not; then `why` says so and what to write. */
export interface KeywordMatch<K extends string> {
  readonly keyword: K | undefined;
  readonly why: string;
}

/**
 * Case-blind look-up among `keywords` (upper case): exact first, then as an abbreviation.
 * `what` is the plural used in the answer: "keywords of FILE".
 */
export function matchKeyword<K extends string>(
  word: string,
  keywords: readonly K[],
  what: string,
): KeywordMatch<K> {
  const wanted = word.toUpperCase();
  const exact = keywords.find((keyword) => keyword === wanted);
  if (exact !== undefined) return { keyword: exact, why: '' };
  const begun = wanted === '' ? [] : keywords.filter((keyword) => keyword.startsWith(wanted));
  const [first, second] = begun;
  if (first !== undefined && second === undefined) return { keyword: first, why: '' };
  if (first !== undefined)
    return {
      keyword: undefined,
      why: `"${word}" is ambiguous: ${begun.join(', ')}`,
    };
  const near = nearestWord(wanted, keywords);
  const hint = near === undefined ? '' : `, did you mean ${near}`;
  return {
    keyword: undefined,
    why: `"${word}" is not among the ${what}${hint} (${keywords.join(', ')})`,
  };
}

/** The word that needs the fewest edits, when these are few for its length. Words are upper case. */
export function nearestWord<K extends string>(word: string, words: readonly K[]): K | undefined {
  const editsMax = Math.max(1, Math.floor(word.length / 3));
  let best: { readonly word: K; readonly edits: number } | undefined;
  for (const candidate of words) {
    const edits = editDistance(word, candidate);
    if (edits <= editsMax && (best === undefined || edits < best.edits)) {
      best = { word: candidate, edits };
    }
  }
  return best?.word;
}

/** Insertions, deletions, substitutions and swaps of neighbours between two words. */
function editDistance(a: string, b: string): number {
  const at = (row: readonly number[] | undefined, column: number): number => row?.[column] ?? 0;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const above = rows[i - 1];
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(at(row, j - 1) + 1, at(above, j) + 1, at(above, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, at(rows[i - 2], j - 2) + 1);
      row.push(edits);
    }
    rows.push(row);
  }
  return at(rows[a.length], b.length);
}
