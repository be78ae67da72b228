// Prints the totals of numeric columns after a load or unload.

import type { Tool } from './tool.js';
import type { ColumnTotal } from './totals.js';

/** `to`: where people read them; stderr when stdout carries the data. */
export function printTotals(
  tool: Tool,
  totals: readonly ColumnTotal[],
  to: 'stdout' | 'stderr' = 'stdout',
): void {
  const nameWidth = Math.max(0, ...totals.map(({ field }) => field.length));
  const totalWidth = Math.max(0, ...totals.map(({ total }) => total.length));
  for (const { field, total, unreadable } of totals) {
    const remark = unreadable === 0 ? '' : `  (${unreadable} unreadable)`;
    const text = `  total ${field.padEnd(nameWidth)}  ${total.padStart(totalWidth)}${remark}`;
    if (to === 'stdout') tool.print(text);
    else tool.note(text);
  }
}
